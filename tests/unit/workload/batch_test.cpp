/// What users type: batch specs, contexts, parallelism; one clear sentence for each mistake.
#include <catch2/catch.hpp>
#include <functional>

#include "base/error.h"
#include "workload/build.h"
#include "workload/import/gemm_list.h"

using namespace athena;
using namespace athena::workload;

namespace {

std::string refusal(const std::function<void()>& attempt) {
  try {
    attempt();
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string refusal(const std::string& model, const std::function<void(PhaseSpec&)>& change) {
  PhaseSpec spec;
  spec.batch = prefill_batch(1, 64);
  change(spec);
  return refusal([&] { (void)build_graph(load_transformer(model), spec); });
}

}  // namespace

TEST_CASE("batch specs") {
  const std::vector<Sequences> want = {{512, 1024, 4}, {1, 2000, 60}};
  CHECK(parse_batch_spec("q=512,kv=1024x4;q=1,kv=2000x60") == want);
  CHECK(parse_batch_spec("q=7,kv=7") == std::vector<Sequences>{{7, 7, 1}});
  for (const char* wrong : {"", "q=5", "kv=5,q=5", "q=5,kv=x3", "q=0,kv=4", "q=5,kv=4x1",
                            "q=5,kv=9x0", "q=5;kv=9", "q=a,kv=9", "q=5,kv=9x2y"}) {
    INFO(wrong);
    const std::string said = refusal([&] { (void)parse_batch_spec(wrong); });
    CHECK(said.find("--batch-spec") == 0);
  }
}

TEST_CASE("a graph is refused with both numbers named") {
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) { s.batch.clear(); }).find("empty") !=
        std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) {
          s.batch = prefill_batch(0, 64);
        }).find("0 sequences") != std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) {
          s.batch = prefill_batch(1, 129);
        }).find("--max-context 129") != std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) {
          s.parallel.tp = 3;
        }).find("--tp 3 does not divide 4 attention heads") != std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) { s.parallel.pp = 3; }).find("2 layers") !=
        std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) { s.parallel.ep = 2; }).find("experts") !=
        std::string::npos);
  CHECK(refusal("tiny-moe", [](PhaseSpec& s) {
          s.parallel.ep = s.parallel.dp = 3;
        }).find("8 experts") != std::string::npos);
  CHECK(refusal("tiny-moe", [](PhaseSpec& s) { s.parallel.ep = 2; }).find("--dp") !=
        std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) { s.parallel.cp = 3; }).find("--cp 3") !=
        std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) { s.parallel.tp = 0; }).find("--tp is 0") !=
        std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) { s.layers = 3; }).find("--layers 3") !=
        std::string::npos);
  CHECK(refusal("tiny-llama", [](PhaseSpec& s) { s.parallel.zero = 1; }).find("--zero") !=
        std::string::npos);
  CHECK(refusal("bert-large", [](PhaseSpec& s) {
          s.phase = Phase::kDecode;
          s.batch = decode_batch(1, 1);
        }).find("encoder") != std::string::npos);
}

TEST_CASE("GEMM lists") {
  const Precision p = precision_from_name("bf16");
  const Graph g =
      import_gemm_list_text("name,m,n,k,count\nqkv,8,16,32,3\n# note\nout,8,8,8,1\n", "l.csv", p);
  REQUIRE(g.blocks.size() == 2);
  CHECK(g.blocks[0].repeat == 3);
  CHECK(g.matrix_flops() == 2.0 * (3 * 8 * 16 * 32 + 8 * 8 * 8));
  CHECK(g.bytes_of(Role::kWeight) == 2 * (3 * 32 * 16 + 8 * 8));
  CHECK(check(g).empty());
  const auto said = [&](const char* text) {
    return refusal([&] { (void)import_gemm_list_text(text, "l.csv", p); });
  };
  CHECK(said("m,n\n1,2\n").find("l.csv:1") == 0);
  CHECK(said("m,n,k\n1,2,x\n").find("l.csv:2: k is 'x'") == 0);
  CHECK(said("m,n,k\n1,2\n").find("l.csv:2") == 0);
  CHECK(said("m,n,k,cuont\n1,2,3,4\n").find("Did you mean 'count'") != std::string::npos);
  CHECK(said("m,n,k\n").find("no GEMM") != std::string::npos);
  CHECK(said("m,n,k\n0,2,3\n").find("above 0") != std::string::npos);
}

TEST_CASE("single operators carry the shapes of tables of measured kernels") {
  CHECK(gemm_graph(4, 5, 6, precision_from_name("fp16")).matrix_flops() == 240);
  for (const char* op : {"rmsnorm", "layernorm", "silu_mul", "gelu", "add", "softmax"}) {
    const Graph g = row_op_graph(op, 100, 4096, Dtype::kFp16);
    INFO(op);
    CHECK(check(g).empty());
    CHECK(g.min_bytes() >= 2 * 100 * 4096 * 2);
    CHECK(g.flops() > 0);
  }
  // silu_mul reads two operands, add too.
  CHECK(row_op_graph("silu_mul", 100, 4096, Dtype::kFp16).min_bytes() == 3 * 100 * 4096 * 2);
  CHECK(row_op_graph("add", 100, 4096, Dtype::kFp16).min_bytes() == 3 * 100 * 4096 * 2);
  CHECK_THROWS_WITH(row_op_graph("rmsnom", 1, 1, Dtype::kFp16),
                    Catch::Contains("Did you mean 'rmsnorm'"));
  AttentionShape a;
  a.batch = prefill_batch(2, 512);
  a.heads = a.kv_heads = 8;
  a.qk_dim = a.v_dim = 128;
  const Graph both = attention_graph(a, Dtype::kFp16, false, true);
  CHECK(check(both).empty());
  // FlashAttention-2 does five products backward for two forward.
  CHECK(both.matrix_flops() == Approx(3.5 * both.blocks[0].ops[0].matrix_flops()));
}
