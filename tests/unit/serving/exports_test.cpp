#include "serving/exports.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <sstream>

#include "base/error.h"

using namespace athena;
using namespace athena::serving;

namespace {

/// Times that say what they were measured for.
class NamedTimer final : public OperatorTimer {
 public:
  std::string identity() const override { return "named"; }
  StepMeasurement measure(const StepShape& shape) override {
    const auto n = static_cast<double>(shape.tokens());
    double keys = 0.0;
    for (const auto& g : shape.groups) keys += static_cast<double>(g.kv_len * g.count);
    StepMeasurement m;
    const auto add = [&](const char* name, OperatorKind kind, double seconds) {
      m.operators.push_back({name, kind, Seconds(seconds), Joules(0.0)});
      m.total += Seconds(seconds);
    };
    // Two layers.
    add("embedding", OperatorKind::kTokens, 1e-7 * n);
    add("layernorm_attn", OperatorKind::kTokens, 2 * 1e-6);
    add("qkv", OperatorKind::kTokens, 2 * 3e-6 * n);
    add("rope", OperatorKind::kTokens, 2 * 1e-8 * n);
    add("attention", OperatorKind::kAttention, 2 * 1e-9 * keys);
    add("out_proj", OperatorKind::kTokens, 2 * 1e-6 * n);
    add("all_reduce_attn", OperatorKind::kCollective, 2 * 5e-6);
    add("ffn1", OperatorKind::kTokens, 2 * 4e-6 * n);
    add("ffn2", OperatorKind::kTokens, 2 * 2e-6 * n);
    add("final_norm", OperatorKind::kTokens, 1e-6);
    add("lm_head", OperatorKind::kSequences, 1e-6 * static_cast<double>(shape.sequences()));
    add("sampling", OperatorKind::kSequences, 1e-7);
    return m;
  }
};

workload::Transformer toy_model() {
  workload::Transformer model;
  model.name = "toy";
  model.layers = 2;
  model.hidden = 64;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 16;
  model.ffn = 128;
  model.gated = true;
  model.vocab = 1000;
  model.max_context = 4096;
  return model;
}

ExportSpec toy_spec(int tp) {
  ExportSpec spec;
  spec.hardware = "chip";
  spec.model = "org/toy";
  spec.tp = tp;
  return spec;
}

/// Rows of a CSV as maps from column to text.
std::vector<std::map<std::string, std::string>> rows_of(const std::string& csv) {
  std::istringstream in(csv);
  std::string line, cell;
  std::vector<std::string> head;
  std::getline(in, line);
  for (std::istringstream cells(line); std::getline(cells, cell, ',');) head.push_back(cell);
  std::vector<std::map<std::string, std::string>> rows;
  while (std::getline(in, line)) {
    auto& row = rows.emplace_back();
    std::size_t i = 0;
    for (std::istringstream cells(line); std::getline(cells, cell, ',');) {
      REQUIRE(i < head.size());
      row[head[i++]] = cell;
    }
    REQUIRE(i == head.size());
  }
  return rows;
}

const ExportFile& find(const std::vector<ExportFile>& files, const std::string& ending) {
  for (const ExportFile& f : files) {
    if (f.path.string().ends_with(ending)) return f;
  }
  FAIL("no file " << ending);
  return files.front();
}

}  // namespace

TEST_CASE("A Vidur profile has its columns, in ms per layer") {
  NamedTimer timer;
  MeasurementStore store(timer);
  const auto files = export_vidur(toy_model(), store, toy_spec(2));
  CHECK(find(files, "mlp.csv").path == "compute/chip/org/toy/mlp.csv");
  const auto mlp = rows_of(find(files, "mlp.csv").content);
  REQUIRE(mlp.size() > 15);
  for (const auto& row : mlp) {
    const double n = std::stod(row.at("num_tokens"));
    CHECK(std::stod(row.at("time_stats.attn_pre_proj.median")) == Approx(3e-3 * n));
    CHECK(std::stod(row.at("time_stats.mlp_up_proj.mean")) == Approx(4e-3 * n));
    CHECK(std::stod(row.at("time_stats.input_layernorm.max")) == Approx(1e-3));
    CHECK(row.at("time_stats.mlp_act.median") == "0");  // runs in the kernel before it
    CHECK(row.at("time_stats.emb.std") == "0");
    CHECK(row.at("n_expanded_embd") == "128");
    CHECK(row.at("use_gated_mlp") == "True");
    CHECK(row.at("num_tensor_parallel_workers") == "2");
  }
  CHECK(mlp.front().at("num_tokens") == "1");
  CHECK(mlp.back().at("num_tokens") == "2048");
  const auto attention = rows_of(find(files, "attention.csv").content);
  int prefills = 0;
  for (const auto& row : attention) {
    const double batch = std::stod(row.at("batch_size")), keys = std::stod(row.at("kv_cache_size"));
    const double chunk = std::stod(row.at("prefill_chunk_size"));
    const bool prefill = row.at("is_prefill") == "True";
    prefills += prefill ? 1 : 0;
    CHECK(prefill == (chunk > 0));
    const double seen = prefill ? chunk + keys : batch * std::min(keys + 1, 4096.0);
    const char* column =
        prefill ? "time_stats.attn_prefill.median" : "time_stats.attn_decode.median";
    CHECK(std::stod(row.at(column)) == Approx(1e-6 * seen));
  }
  CHECK(prefills > 5);
  const auto reduce = rows_of(find(files, "all_reduce.csv").content);
  CHECK(reduce.front().at("size") == "128");
  CHECK(std::stod(reduce.front().at("time_stats.all_reduce.median")) == Approx(5e-3));
  CHECK(export_vidur(toy_model(), store, toy_spec(1)).size() == files.size() - 1);
}

TEST_CASE("An LLMServingSim bundle has its files, in us per call") {
  NamedTimer timer;
  MeasurementStore store(timer);
  const auto files = export_llmservingsim(toy_model(), store, toy_spec(1));
  const auto dense = rows_of(find(files, "tp1/dense.csv").content);
  std::map<std::string, int> layers;
  for (const auto& row : dense) {
    ++layers[row.at("layer")];
    const double n = std::stod(row.at("tokens"));
    if (row.at("layer") == "qkv_proj") CHECK(std::stod(row.at("time_us")) == Approx(3.0 * n));
    if (row.at("layer") == "final_layernorm") CHECK(std::stod(row.at("time_us")) == Approx(1.0));
  }
  CHECK(layers.size() == 9);
  for (const auto& [layer, count] : layers) CHECK(count == layers["embedding"]);
  for (const auto& row : rows_of(find(files, "per_sequence.csv").content)) {
    if (row.at("layer") == "lm_head") {
      CHECK(std::stod(row.at("time_us")) == Approx(std::stod(row.at("sequences"))));
    }
  }
  int mixed = 0;
  for (const auto& row : rows_of(find(files, "attention.csv").content)) {
    const double chunk = std::stod(row.at("prefill_chunk")), n = std::stod(row.at("n_decode"));
    const double keys = (chunk > 0 ? chunk + std::stod(row.at("kv_prefill")) : 0.0) +
                        n * std::stod(row.at("kv_decode"));
    CHECK(std::stod(row.at("time_us")) == Approx(1e-3 * keys));
    mixed += chunk > 0 && n > 0 ? 1 : 0;
  }
  CHECK(mixed > 10);
  CHECK(find(files, "meta.yaml").content.find("tp_degrees: [1]") != std::string::npos);
  CHECK(files.size() == 4);
}

TEST_CASE("Mixtures of experts go to the bundle only") {
  NamedTimer timer;
  MeasurementStore store(timer);
  workload::Transformer model = toy_model();
  model.moe.experts = 8;
  model.moe.top_k = 2;
  model.moe.expert_ffn = 64;
  CHECK_THROWS_AS(export_vidur(model, store, toy_spec(1)), InputError);
  const auto rows =
      rows_of(find(export_llmservingsim(model, store, toy_spec(1)), "moe.csv").content);
  CHECK(rows.front().at("activated_experts") == "2");
  CHECK(rows.back().at("activated_experts") == "8");
}

TEST_CASE("A grid holds both ends and grows") {
  const auto grid = export_grid(1, 1000, 2.0);
  CHECK(grid.front() == 1);
  CHECK(grid.back() == 1000);
  for (std::size_t i = 1; i < grid.size(); ++i) CHECK(grid[i] > grid[i - 1]);
  CHECK(export_grid(16, 16, 1.0) == std::vector<std::int64_t>{16});
}
