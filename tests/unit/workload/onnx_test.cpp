/// ONNX import: the small models of make_onnx.py against their descriptions in YAML.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "workload/build.h"
#include "workload/import/onnx_import.h"

using namespace athena;
using namespace athena::workload;

namespace {

/// An interpreter that has the module onnx, which a distribution installs for its own python3 only;
/// "" when there is none.
std::string python_with_onnx() {
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    if (std::system((python + " -c 'import onnx' >/dev/null 2>&1").c_str()) == 0) return python;
  }
  return "";
}

/// The models, made once per process (test cases may run as processes side by side) and removed at
/// its end; the folder is empty when python3-onnx is not installed.
struct Models {
  std::filesystem::path folder;
  Models() {
    const std::string python = python_with_onnx();
    if (python.empty()) return;
    folder = std::filesystem::temp_directory_path() / ("athena-onnx-" + std::to_string(getpid()));
    const std::string script = std::string(ATHENA_SOURCE_DIR) + "/tests/unit/workload/make_onnx.py";
    REQUIRE(std::system((python + " '" + script + "' '" + folder.string() + "'").c_str()) == 0);
  }
  ~Models() {
    std::error_code ignored;
    if (!folder.empty()) std::filesystem::remove_all(folder, ignored);
  }
};

const std::filesystem::path& models() {
  static const Models made;
  return made.folder;
}

bool absent() {
  if (!models().empty()) return false;
  WARN("SKIPPED: python3-onnx is not installed, so there is no ONNX model to import");
  return true;
}

std::string refusal(const std::filesystem::path& path) {
  try {
    (void)import_onnx(path);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

void same_architecture(Transformer imported, Transformer described) {
  INFO(imported.summary() << " / " << described.summary());
  CHECK(imported.parameter_count() == described.parameter_count());
  CHECK(imported.gated == described.gated);
  CHECK(imported.norm == described.norm);
  CHECK(imported.positions == described.positions);
  CHECK(imported.activation == described.activation);
  CHECK(imported.tied == described.tied);
  CHECK(imported.causal == described.causal);
  CHECK(imported.max_context == described.max_context);
  PhaseSpec spec;
  spec.batch = prefill_batch(2, 48);
  imported.name = described.name;
  CHECK(build_graph(imported, spec).flops() == build_graph(described, spec).flops());
}

}  // namespace

TEST_CASE("exported GPT-2 and Llama are what their YAML says") {
  if (absent()) return;
  same_architecture(import_onnx(models() / "gpt2.onnx"), load_transformer("tiny-gpt2"));
  same_architecture(import_onnx(models() / "gpt2-decomposed.onnx"), load_transformer("tiny-gpt2"));
  same_architecture(import_onnx(models() / "llama.onnx"), load_transformer("tiny-llama"));
  CHECK(load_transformer((models() / "llama.onnx").string()).kv_heads == 2);
}

TEST_CASE("an exported BERT is a post-norm encoder with a pooler") {
  if (absent()) return;
  const Transformer m = import_onnx(models() / "bert.onnx");
  CHECK(m.layers == 3);
  CHECK(m.post_norm);
  CHECK(m.embedding_norm);
  CHECK(!m.causal);
  CHECK(m.head == Head::kPooler);
  CHECK(m.token_types == 2);
}

TEST_CASE("graphs that are no transformer are refused by what is missing") {
  if (absent()) return;
  CHECK(refusal(models() / "no-attention.onnx").find("no attention found") != std::string::npos);
  CHECK(refusal(models() / "gpt2-unmasked.onnx").find("no triangular mask") != std::string::npos);
  CHECK(refusal(models() / "gpt2-odd.onnx").find("layer 1 has another shape") != std::string::npos);
  CHECK(refusal(models() / "absent.onnx").find("absent.onnx") != std::string::npos);
  const std::string whole = read_file(models() / "gpt2.onnx");
  const auto cut = models() / "cut.onnx";
  write_file_atomically(cut, whole.substr(0, whole.size() / 2));
  CHECK(refusal(cut).find("not complete") != std::string::npos);
  write_file_atomically(cut, "no onnx at all");
  CHECK(refusal(cut).find("cut.onnx") != std::string::npos);
}
