// One grant at most, only to a requester, always one when somebody asks; and fairness: requester 2, who
// keeps asking, sees at most Num - 1 grants go to others (proved for Num = 4).
  `include "formal/reset.svh"
  logic [2:0] waited = 3'd0;
  always @(posedge clk_i) begin
    if (!rst_ni || !request_i[2] || (grant_o[2] && accept_i)) waited <= 3'd0;
    else if (accept_i) waited <= waited + 3'd1;
  end
  always @(posedge clk_i) begin
    if (rst_ni) begin
      p_one_hot   : assert ((grant_o & (grant_o - 4'd1)) == 4'd0);
      p_requested : assert ((grant_o & ~request_i) == 4'd0);
      p_some      : assert (valid_o == (grant_o != 4'd0));
      // The mask is a run of ones at the top: those behind the last winner.
      p_mask      : assert (((~mask_q) & (~mask_q + 4'd1)) == 4'd0 || mask_q == 4'b0000 ||
                            mask_q == 4'b1100 || mask_q == 4'b1000);
      p_fair      : assert (waited < 3'd4);
      // While 2 waits the turn only comes nearer: after 3 nobody, after 0 behind 0, after 1 behind 1.
      if (waited == 3'd3) p_turn3 : assert (mask_q == 4'b1100);
      if (waited == 3'd1) p_turn1 : assert (mask_q == 4'b0000 || mask_q == 4'b1110 || mask_q == 4'b1100);
      if (waited == 3'd2) p_turn2 : assert (mask_q == 4'b1110 || mask_q == 4'b1100);
    end
  end
