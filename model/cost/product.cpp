#include "cost/product.h"

#include <algorithm>

#include "base/error.h"

namespace athena::cost {

using config::fraction;
using config::not_negative;
using config::range;
using config::SchemaBuilder;
using config::StructSchema;

const StructSchema& schema_of(const AreaFacts*) {
  static const StructSchema kSchema =
      SchemaBuilder<AreaFacts>("area facts", "What is on a compute die beyond what software sees.")
          .field("cache_on_die", &AreaFacts::cache_on_die, "hardware cache built; 0 = as the chip",
                 not_negative())
          .field("scratch_on_die", &AreaFacts::scratch_on_die,
                 "scratchpad and L1 built per core; 0 = as the chip", not_negative())
          .field("memory_sites", &AreaFacts::memory_sites, "HBM interfaces; 0 = as the chip",
                 range(0, 64))
          .field("schedulers_per_core", &AreaFacts::schedulers_per_core,
                 "warp scheduler partitions; 0 = statically scheduled core", range(0, 16))
          .field("fp64_lanes", &AreaFacts::fp64_lanes, "fp64 multiply-adds per core and cycle",
                 range(0, 4096))
          .field("scratch", &AreaFacts::scratch, "density of core scratchpads")
          .field("cluster_scratch", &AreaFacts::cluster_scratch, "density of cluster scratchpads")
          .field("cache", &AreaFacts::cache, "density of the cache")
          .field("memory_cache", &AreaFacts::memory_cache, "density of the cache beside memory")
          .build();
  return kSchema;
}

const StructSchema& schema_of(const HarvestGroup*) {
  static const StructSchema kSchema =
      SchemaBuilder<HarvestGroup>("harvest group", "Identical copies of which some may be lost.")
          .field("blocks", &HarvestGroup::blocks, "area blocks that the copies are made of")
          .field("area", &HarvestGroup::area, "or their area", not_negative())
          .field("copies", &HarvestGroup::copies, "copies built", range(1, 4096))
          .field("needed", &HarvestGroup::needed, "copies sold", range(1, 4096))
          .field("shared", &HarvestGroup::shared, "part whose defect no spare repairs", fraction())
          .check([](const HarvestGroup& group) {
            return group.needed <= group.copies
                       ? std::string()
                       : std::string("more copies are needed than are built.");
          })
          .build();
  return kSchema;
}

const StructSchema& schema_of(const DieConfig*) {
  static const StructSchema kSchema =
      SchemaBuilder<DieConfig>("die", "One kind of die in the package.")
          .field("name", &DieConfig::name, "name in tables")
          .field("from_chip", &DieConfig::from_chip, "area and blocks come from the chip file")
          .field("process", &DieConfig::process, "node; empty = the chip's")
          .field("count", &DieConfig::count, "dies of this kind", range(1, 256))
          .field("area", &DieConfig::area, "published area; 0 = the chip file's, else computed",
                 not_negative())
          .field("width_mm", &DieConfig::width_mm, "one side in mm; 0 = near square",
                 not_negative())
          .field("harvest", &DieConfig::harvest, "groups of spare copies")
          .field("repairable", &DieConfig::repairable,
                 "share of the area that redundant rows and columns repair", fraction())
          .build();
  return kSchema;
}

const StructSchema& schema_of(const ServerFacts*) {
  static const StructSchema kSchema =
      SchemaBuilder<ServerFacts>("server facts", "The server that carries the chip.")
          .field("chips", &ServerFacts::chips, "accelerators in a server", range(1, 1024))
          .field("rated", &ServerFacts::rated, "maximum power; 0 = chips x cap + host",
                 not_negative())
          .field("price", &ServerFacts::price, "published price with its chips")
          .build();
  return kSchema;
}

const StructSchema& schema_of(const ProductConfig*) {
  using P = ProductConfig;
  static const StructSchema kSchema =
      SchemaBuilder<P>("product", "What surrounds a chip's silicon, and what it sells for.")
          .field("name", &P::name, "as the chip file")
          .field("chip", &P::chip, "file of configs/chips/; empty = as name")
          .field("dies", &P::dies, "dies in the package", config::items(1))
          .field("package", &P::package, "flip-chip or interposer")
          .field("interposer_area", &P::interposer_area, "0 = from dies and stacks", not_negative())
          .field("hbm_dummies", &P::hbm_dummies, "blank stacks", range(0, 16))
          .field("hbm_gb", &P::hbm_gb, "GB of memory bought; negative = the chip's capacity")
          .field("memory_price", &P::memory_price, "constant of the price per GB; empty = by HBM")
          .field("module", &P::module, "sxm, pcie or tray")
          .field("area", &P::area, "what is on the compute die")
          .field("purchase", &P::purchase, "published street price")
          .field("server", &P::server, "the server that carries the chip")
          .field("notes", &P::notes, "free text")
          .build();
  return kSchema;
}

ProductConfig load_product(const config::ChipConfig& chip, const std::vector<std::string>& sets) {
  constexpr std::string_view kKind = "cost/products";
  const std::vector<std::string> known = config::list_documents(kKind);
  const auto has_product = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  std::vector<std::string> names{chip.name};
  names.insert(names.end(), chip.aliases.begin(), chip.aliases.end());
  const auto listed = std::find_if(names.begin(), names.end(), has_product);
  ProductConfig product;
  if (listed != names.end()) {
    product = config::load<ProductConfig>(*listed, kKind, sets);
  } else {
    config::Node node = config::map_node();
    node.set("name", config::scalar_node(chip.name));
    if (chip.memory.timing.rfind("HBM", 0) != 0) {
      node.set("package", config::scalar_node("flip-chip"));
      node.set("memory_price", config::scalar_node("ddr_price"));
      node.set("module", config::scalar_node("pcie"));
    }
    for (const std::string& set : sets) config::apply_set(node, set);
    product = config::bind<ProductConfig>(node);
  }
  if (product.name.empty()) product.name = chip.name;
  return product;
}

}  // namespace athena::cost
