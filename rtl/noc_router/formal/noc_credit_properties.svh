// What the neighbour holds and what is left always add up to its buffer, and the neighbour is never sent
// more than fits. It returns a credit only for a flit that it got; the switch spends only what is there
// (asserted in simulation for every channel).
  `include "formal/reset.svh"
  logic [CreditBits-1:0] held = '0;  // flits with the neighbour
  always @(posedge clk_i) begin
    if (!rst_ni) held <= '0;
    else held <= held + spend_i - return_i;
  end
  always @* begin
    assume (!return_i || held != '0);
    assume (!spend_i || some_o);
  end
  always @(posedge clk_i) begin
    if (rst_ni) begin
      p_sum  : assert (credit_q + held == Depth);
      p_fits : assert (held <= Depth);
    end
  end
