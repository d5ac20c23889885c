// One assertion for simulation and proof, checked on every clock edge out of reset, in the immediate
// form that all tools read. Proofs (FORMAL) want no names inside generate loops; synthesis drops it.
`ifndef ATHENA_ASSERT_SVH
`define ATHENA_ASSERT_SVH
`ifdef SYNTHESIS
`define ATHENA_ASSERT(name_, prop_)
`elsif FORMAL
`define ATHENA_ASSERT(name_, prop_) \
  always @(posedge clk_i) if (rst_ni) assert (prop_);
`else
`define ATHENA_ASSERT(name_, prop_) \
  always @(posedge clk_i) begin     \
    if (rst_ni) begin               \
      name_ : assert (prop_);       \
    end                             \
  end
`endif
`endif
