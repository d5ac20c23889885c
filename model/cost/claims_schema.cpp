#include "cost/claims.h"

namespace athena::cost {

using config::required;
using config::SchemaBuilder;
using config::StructSchema;

const StructSchema& schema_of(const RunRequest*) {
  using R = RunRequest;
  const auto count = config::not_negative();
  static const StructSchema kSchema =
      SchemaBuilder<R>("claim run", "One simulated run; keys as the flags of `athena run`.")
          .field("model", &R::model, "model", required())
          .field("on", &R::on, "chip or system", required())
          .field("phase", &R::phase, "prefill, decode, generate or train", required())
          .field("batch", &R::batch, "sequences", count)
          .field("input", &R::input, "prompt or context tokens", count)
          .field("output", &R::output, "generated tokens", count)
          .field("tp", &R::tp, "tensor parallel", count)
          .field("pp", &R::pp, "pipeline parallel", count)
          .field("dp", &R::dp, "data parallel", count)
          .field("nodes", &R::nodes, "nodes", count)
          .field("micro_batch", &R::micro_batch, "sequences per micro-batch", count)
          .field("global_batch", &R::global_batch, "sequences per step", count)
          .field("recompute", &R::recompute, "none, selective or full")
          .field("dtype", &R::dtype, "number format")
          .field("stack", &R::stack, "software stack")
          .field("power_cap_w", &R::power_cap_w, "power cap of a chip in watts", count)
          .build();
  return kSchema;
}

const StructSchema& schema_of(const ClaimsPlan*) {
  using P = ClaimsPlan;
  static const StructSchema kSchema =
      SchemaBuilder<P>("claims plan", "The simulated runs behind `athena claims`.")
          .field("name", &P::name, "name")
          .field("description", &P::description, "one line")
          .field("query", &P::query, "one answer of the chat model")
          .field("query_batches", &P::query_batches, "batches of the sweep", config::items(1),
                 config::positive())
          .field("query_small_dtype", &P::query_small_dtype,
                 "format with smaller weights, tried where the sweep misses the claim")
          .field("query_chips", &P::query_chips, "chips of a query run", config::positive())
          .field("training", &P::training, "training run whose MFU counts")
          .field("training_parameters", &P::training_parameters, "parameters of that model",
                 config::positive())
          .field("tpu", &P::tpu, "runs on the chip that is claimed to be faster")
          .field("tpu_rival", &P::tpu_rival, "chip that it is compared with")
          .field("dgx", &P::dgx, "runs on eight-GPU servers")
          .field("dgx_single", &P::dgx_single, "the same on one GPU")
          .field("third_cheaper", &P::third_cheaper, "the cheaper chip and its rival",
                 config::items(2, 2))
          .field("packages", &P::packages, "multi-die chip and single-die chip",
                 config::items(2, 2))
          .field("cowos", &P::cowos, "chip whose supply the interposer limits")
          .field("capping", &P::capping, "a service that is run under two power caps")
          .field("capping_watts", &P::capping_watts, "the higher cap and the lower one",
                 config::items(0, 2))
          .field("teardown", &P::teardown, "chip whose manufacturing cost a teardown estimated")
          .build();
  return kSchema;
}

}  // namespace athena::cost
