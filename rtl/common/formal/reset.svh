// Proofs start in reset and never go back to it.
  logic formal_started = 1'b0;
  always @(posedge clk_i) formal_started <= 1'b1;
  always @* assume (rst_ni == formal_started);
