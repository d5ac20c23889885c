// The queue gives back what was put in, in order, and never more or less: a shift queue beside it holds
// the same values. The place of each value in the memory ties the two states together for induction.
  `include "formal/reset.svh"
  localparam int unsigned D = Depth;
  logic [Width-1:0] model [0:2];
  logic [2:0]       count = 3'd0;
  logic [2:0]       at0, at1, at2;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      count <= 3'd0;
    end else begin
      if (pop) begin
        model[0] <= model[1];
        model[1] <= model[2];
      end
      if (push) model[count-{2'b0, pop}] <= data_i;
      count <= count + {2'b0, push} - {2'b0, pop};
    end
  end
  assign at0 = {1'b0, read_q};
  assign at1 = (at0 + 3'd1 >= D) ? at0 + 3'd1 - D : at0 + 3'd1;
  assign at2 = (at1 + 3'd1 >= D) ? at1 + 3'd1 - D : at1 + 3'd1;
  always @(posedge clk_i) begin
    if (rst_ni) begin
      p_count : assert (count == {1'b0, count_q});
      p_range : assert (count <= D);
      p_read  : assert (read_q < D);
      p_write : assert (write_q < D);
      p_place : assert ((at0 + count >= D ? at0 + count - D : at0 + count) == {1'b0, write_q});
      p_ready : assert (ready_o == (count != D));
      p_valid : assert (valid_o == (count != 3'd0));
      if (count > 3'd0) p_first : assert (mem[at0[1:0]] == model[0]);
      if (count > 3'd1) p_second : assert (mem[at1[1:0]] == model[1]);
      if (count > 3'd2) p_third : assert (mem[at2[1:0]] == model[2]);
      if (valid_o) p_order : assert (data_o == model[0]);
    end
  end
