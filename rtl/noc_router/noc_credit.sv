// Credits of one output virtual channel: free slots in the neighbour's buffer, as this side knows them.
module noc_credit #(
  parameter int unsigned Depth = 8
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic return_i,  // the neighbour freed a slot
  input  logic spend_i,   // a flit leaves; only while some_o
  output logic some_o
);
  localparam int unsigned CreditBits = $clog2(Depth + 1);
  logic [CreditBits-1:0] credit_q;
  assign some_o = credit_q != '0;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) credit_q <= CreditBits'(Depth);
    else credit_q <= credit_q + CreditBits'(return_i) - CreditBits'(spend_i);
  end

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_credit_range, (credit_q <= CreditBits'(Depth)) && (!spend_i || some_o))
`ifdef PROVE_NOC_CREDIT
  `include "formal/noc_credit_properties.svh"
`endif
endmodule
