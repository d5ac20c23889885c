// Completion: for one descriptor of at most 4 beats, any memory timing, the semaphore is signalled only
// after every beat was written and every write burst acknowledged, and it is signalled once.
  `include "formal/reset.svh"
  logic       taken = 1'b0, signalled = 1'b0, pairs = 1'b0;
  logic [3:0] wanted = '0, written = '0, asked = '0, answered = '0, bursts = '0, acknowledged = '0;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      taken <= 1'b0;
      signalled <= 1'b0;
    end else begin
      if (desc_fire) begin
        taken  <= 1'b1;
        pairs  <= desc_count0_i == 2;
        wanted <= desc_count0_i[1:0] * desc_count1_i[1:0];
      end
      if (ar_fire) asked <= asked + ar_len_o;
      if (r_fire) answered <= answered + 4'd1;
      if (aw_fire) bursts <= bursts + 4'd1;
      if (w_fire) written <= written + 4'd1;
      if (b_fire) acknowledged <= acknowledged + 4'd1;
      if (sem_valid_o && sem_ready_i) signalled <= 1'b1;
    end
  end
  always @* begin
    assume (!taken || !desc_valid_i);
    assume (desc_count0_i >= 1 && desc_count0_i <= 2 && desc_count1_i >= 1 && desc_count1_i <= 2 &&
            desc_count2_i == 1);
    // Memory answers what was asked, acknowledges what was written whole.
    assume (!r_valid_i || answered < asked);
    assume (r_last_i == (!pairs || answered[0]));  // a row is one burst of one or two beats
    assume (!b_valid_i || (acknowledged < bursts && (acknowledged + 4'd1 < bursts || written == wanted)));
  end
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if (sem_valid_o) p_written : assert (written == wanted);
      if (sem_valid_o) p_acknowledged : assert (acknowledged == bursts);
      p_once     : assert (!(sem_valid_o && signalled));
      p_bounds   : assert (written <= wanted && asked <= wanted);
      p_no_stray : assert (taken || (!ar_valid_o && !aw_valid_o && !w_valid_o && !sem_valid_o));
    end
  end
