// Round-robin arbiter: the requester after the last one that was served is looked at first. The turn
// moves only when accept_i says that the grant was used.
module rr_arbiter #(
  parameter int unsigned Num = 4
) (
  input  logic           clk_i,
  input  logic           rst_ni,
  input  logic [Num-1:0] request_i,
  input  logic           accept_i,
  output logic [Num-1:0] grant_o,
  output logic           valid_o
);
  // Requesters behind the last winner; they come first.
  logic [Num-1:0] mask_q, masked, first_masked, first_any;

  assign masked       = request_i & mask_q;
  assign first_masked = masked & (~masked + 1'b1);
  assign first_any    = request_i & (~request_i + 1'b1);
  assign grant_o      = (masked != '0) ? first_masked : first_any;
  assign valid_o      = request_i != '0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) mask_q <= '1;
    else if (accept_i && valid_o) mask_q <= ~(grant_o | (grant_o - 1'b1));
  end

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_one_hot, (grant_o & (grant_o - 1'b1)) == '0)
  `ATHENA_ASSERT(a_only_requested, (grant_o & ~request_i) == '0)
  `ATHENA_ASSERT(a_always_some, !valid_o || (grant_o != '0))
`ifdef PROVE_RR_ARBITER
  `include "formal/rr_arbiter_properties.svh"
`endif
endmodule
