// One assertion for simulation, synthesis and proof: checked on every clock edge out of reset.
// yosys (FORMAL) and Verilator both take the immediate form; synthesis drops it.
`ifndef ATHENA_ASSERT_SVH
`define ATHENA_ASSERT_SVH
`ifdef SYNTHESIS
`define ATHENA_ASSERT(name_, prop_)
`else
`define ATHENA_ASSERT(name_, prop_) \
  always @(posedge clk_i) begin     \
    if (rst_ni) begin               \
      name_ : assert (prop_);       \
    end                             \
  end
`endif
`endif
