// Cycles until something is allowed again: the longest of what was asked for. ready_o when none left.
module hbm_timer #(
  parameter int unsigned Width = 10
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             set_i,
  input  logic [Width-1:0] cycles_i,  // from the cycle of the command to the first allowed one
  output logic             ready_o
);
  logic [Width-1:0] left_q, rest, wanted;
  assign ready_o = left_q == '0;
  assign rest    = ready_o ? '0 : left_q - 1'b1;
  assign wanted  = cycles_i - 1'b1;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) left_q <= '0;
    else left_q <= (set_i && (wanted > rest)) ? wanted : rest;
  end
endmodule
