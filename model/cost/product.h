#pragma once
/// What a chip's configuration does not say and cost needs: the dies in the package, which copies
/// are spare, what surrounds them, and what the product sells for. One file per chip in
/// configs/cost/products/.
#include <optional>
#include <string>
#include <vector>

#include "config/chip.h"
#include "config/config.h"
#include "cost/constants.h"

namespace athena::cost {

/// How dense a memory is built; each names a constant of configs/cost/area.yaml. The raw cell and a
/// GPU cache differ by a factor of ten, so every product states its choice.
enum class SramKind { kRaw, kMacro, kScratchpad, kSystem, kGpuCache };
inline constexpr std::array<std::pair<SramKind, std::string_view>, 5> kSramKindNames{
    {{SramKind::kRaw, "raw"},
     {SramKind::kMacro, "macro"},
     {SramKind::kScratchpad, "scratchpad"},
     {SramKind::kSystem, "system"},
     {SramKind::kGpuCache, "gpu-cache"}}};
[[nodiscard]] constexpr const auto& enum_names(const SramKind*) {
  return kSramKindNames;
}

enum class PackageKind {
  kFlipChip,    ///< organic substrate only
  kInterposer,  ///< silicon interposer on an organic substrate (CoWoS-S)
};
inline constexpr std::array<std::pair<PackageKind, std::string_view>, 2> kPackageKindNames{
    {{PackageKind::kFlipChip, "flip-chip"}, {PackageKind::kInterposer, "interposer"}}};
[[nodiscard]] constexpr const auto& enum_names(const PackageKind*) {
  return kPackageKindNames;
}

enum class ModuleKind { kSxm, kPcie, kTray };
inline constexpr std::array<std::pair<ModuleKind, std::string_view>, 3> kModuleKindNames{
    {{ModuleKind::kSxm, "sxm"}, {ModuleKind::kPcie, "pcie"}, {ModuleKind::kTray, "tray"}}};
[[nodiscard]] constexpr const auto& enum_names(const ModuleKind*) {
  return kModuleKindNames;
}

/// What is on the compute die beyond what software sees.
struct AreaFacts {
  Bytes cache_on_die{0};        ///< 0 = as the chip's cache
  Bytes scratch_on_die{0};      ///< per core; 0 = as the chip's scratchpad
  int memory_sites = 0;         ///< HBM interfaces; 0 = as the chip's stacks per die
  int schedulers_per_core = 0;  ///< warp scheduler partitions; 0 = statically scheduled core
  int fp64_lanes = 0;           ///< fp64 multiply-adds per core and cycle
  SramKind scratch = SramKind::kScratchpad;
  SramKind cluster_scratch = SramKind::kScratchpad;
  SramKind cache = SramKind::kGpuCache;
  SramKind memory_cache = SramKind::kSystem;
};
[[nodiscard]] const config::StructSchema& schema_of(const AreaFacts*);

/// Identical copies on a die of which some may be lost (harvest).
struct HarvestGroup {
  std::vector<std::string> blocks;  ///< area blocks that the copies are made of
  SquareMm area{0};                 ///< or their area, for dies that no chip file describes
  int copies = 1;
  int needed = 1;
  double shared = 0.0;  ///< part whose defect no spare repairs
};
[[nodiscard]] const config::StructSchema& schema_of(const HarvestGroup*);

/// One kind of die in the package.
struct DieConfig {
  std::string name = "compute";
  bool from_chip = true;  ///< area and blocks come from the chip file
  std::string process;    ///< empty = the chip's
  int count = 1;
  SquareMm area{0};       ///< published; 0 = the chip file's figure, else computed
  double width_mm = 0.0;  ///< 0 = as square as the reticle allows
  std::vector<HarvestGroup> harvest{};
  double repairable = 0.0;  ///< share of the area that redundant rows and columns repair
};
[[nodiscard]] const config::StructSchema& schema_of(const DieConfig*);

/// The server that carries the chip.
struct ServerFacts {
  int chips = 8;
  Watts rated{0};                   ///< maximum power; 0 = chips x cap + host
  std::optional<Constant> price{};  ///< published price, chips included; absent = computed
};
[[nodiscard]] const config::StructSchema& schema_of(const ServerFacts*);

struct ProductConfig {
  std::string name{};
  std::string chip{};  ///< file of configs/chips/; empty = as `name`
  std::vector<DieConfig> dies{DieConfig{}};
  PackageKind package = PackageKind::kInterposer;
  SquareMm interposer_area{0};  ///< 0 = computed from dies and stacks
  int hbm_dummies = 0;          ///< blank stacks
  double hbm_gb = -1.0;         ///< GB of memory bought; negative = the chip's capacity
  std::string memory_price;     ///< constant of the price per GB; empty = by the HBM generation
  ModuleKind module = ModuleKind::kSxm;
  AreaFacts area;
  std::optional<Constant> purchase{};  ///< published street price; absent = never sold
  ServerFacts server;
  std::string notes{};
};
[[nodiscard]] const config::StructSchema& schema_of(const ProductConfig*);

/// The product of a chip: configs/cost/products/<chip or one of its aliases>.yaml, or one die on an
/// interposer with the chip's memory when there is no such file. `sets` override keys of the
/// product.
[[nodiscard]] ProductConfig load_product(const config::ChipConfig& chip,
                                         const std::vector<std::string>& sets = {});

}  // namespace athena::cost
