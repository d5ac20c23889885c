// The buffer keeps order and loses nothing; its ready is a register.
  `include "formal/reset.svh"
  logic [Width-1:0] first, second;
  logic [1:0]       count = 2'd0;
  logic             pop;
  assign pop = valid_o && ready_i;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      count <= 2'd0;
    end else begin
      count <= count + {1'b0, take} - {1'b0, pop};
      if (pop) first <= second;
      if (take && (count - {1'b0, pop} == 2'd0)) first <= data_i;
      if (take && (count - {1'b0, pop} == 2'd1)) second <= data_i;
    end
  end
  always @(posedge clk_i) begin
    if (rst_ni) begin
      p_count : assert (count == {1'b0, full_q} + {1'b0, spare_q});
      p_range : assert (count <= 2'd2);
      p_shape : assert (!spare_q || full_q);
      p_ready : assert (ready_o == (count != 2'd2));
      p_valid : assert (valid_o == (count != 2'd0));
      if (count >= 2'd1) p_first : assert (data_q == first);
      if (count == 2'd2) p_second : assert (spare_data_q == second);
    end
  end
