// Streaming softmax over rows of BF16 values, FP32 inside (online softmax: Milakov and Gimelshein, 2018).
//
//  in -> S0 running maximum, row buffer | S1 x - max | S2 log2(e) | S3 2^-t | S4 tree | S5 rescale and add
//     -> R1, R2, R3 reciprocal of the sum                                   (never stalls)
//  row buffer -> E1 x - max | E2 log2(e) | E3 2^-t | E4 times 1/sum | E5 BF16 -> out   (stalls with out)
//
// Two row buffers: one row is taken in while the one before is given out, one beat per cycle each.
// A row with NaN or plus infinity comes out as NaN; minus infinity is a masked element and comes out as 0.
module vector_softmax #(
  parameter int unsigned Lanes    = vector_softmax_pkg::Lanes,
  parameter int unsigned MaxBeats = vector_softmax_pkg::MaxBeats
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                in_valid_i,
  output logic                in_ready_o,
  input  logic [16*Lanes-1:0] in_data_i,
  input  logic                in_last_i,  // of the row; a row has at most MaxBeats beats
  output logic                out_valid_o,
  input  logic                out_ready_i,
  output logic [16*Lanes-1:0] out_data_o,
  output logic                out_last_o
);
  localparam int unsigned BeatBits = (MaxBeats > 1) ? $clog2(MaxBeats) : 1;
  localparam int unsigned Leaves   = 1 << $clog2(Lanes);

  // ---- Banks: taken from the last beat in until the last beat out -------------------------------
  logic [1:0]          taken_q, done_q;
  logic                load_bank_q, emit_bank_q, in_fire, emit_fire, emit_last, first_q;
  logic [BeatBits-1:0] load_at_q, emit_at_q;
  logic [16*Lanes-1:0] buffer0 [MaxBeats];
  logic [16*Lanes-1:0] buffer1 [MaxBeats];
  logic [BeatBits-1:0] last_at0_q, last_at1_q;

  assign in_ready_o = !taken_q[load_bank_q];
  assign in_fire    = in_valid_i && in_ready_o;

  always_ff @(posedge clk_i) begin
    if (in_fire && !load_bank_q) buffer0[load_at_q] <= in_data_i;
    if (in_fire && load_bank_q) buffer1[load_at_q] <= in_data_i;
    if (in_fire && in_last_i && !load_bank_q) last_at0_q <= load_at_q;
    if (in_fire && in_last_i && load_bank_q) last_at1_q <= load_at_q;
  end

  // ---- S0: running maximum. Order of BF16 values by sign and magnitude.
  function automatic logic [15:0] rank16(input logic [15:0] x);
    rank16 = x[15] ? ~x : {1'b1, x[14:0]};
  endfunction

  logic [15:0]         max_q, max_d, max_old;
  logic                bad_q, bad_d;
  always_comb begin
    max_old = first_q ? softmax_pkg::NegInf[31:16] : max_q;
    max_d   = max_old;
    bad_d   = first_q ? 1'b0 : bad_q;
    for (int unsigned l = 0; l < Lanes; l++) begin
      if (rank16(in_data_i[l*16+:16]) > rank16(max_d)) max_d = in_data_i[l*16+:16];
      if ((in_data_i[l*16+7+:8] == 8'hff) &&
          ((in_data_i[l*16+:7] != '0) || !in_data_i[l*16+15])) bad_d = 1'b1;
    end
  end

  logic [5:0]          s_valid_q, s_first_q, s_last_q, s_bank_q, s_bad_q;  // bit i: stage S(i+1)
  logic [16*Lanes-1:0] s1_x_q;
  logic [15:0]         s1_old_q;
  logic [16*9-1:0]     s_max_q;  // maxima of the rows on their way to R3
  logic [32*Lanes-1:0] s2_diff_q, s4_exp_q;
  logic [25*Lanes-1:0] s3_arg_q;
  logic [31:0]         s2_scale_q, s4_scale_q, s5_scale_q, s5_sum_q, sum_q;
  logic [24:0]         s3_scale_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      first_q   <= 1'b1;
      s_valid_q <= '0;
    end else begin
      if (in_fire) first_q <= in_last_i;
      s_valid_q <= {s_valid_q[4:0], in_fire};
    end
  end
  always_ff @(posedge clk_i) begin
    if (in_fire) begin
      max_q <= max_d;
      bad_q <= bad_d;
    end
    s1_x_q    <= in_data_i;
    s1_old_q  <= max_old;
    s_max_q   <= {s_max_q[16*8-1:0], max_d};
    s_first_q <= {s_first_q[4:0], first_q};
    s_last_q  <= {s_last_q[4:0], in_last_i};
    s_bank_q  <= {s_bank_q[4:0], load_bank_q};
    s_bad_q   <= {s_bad_q[4:0], bad_d};
  end

  // ---- S1 .. S3: exponentials of the lanes and of the change of maximum.
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    always_ff @(posedge clk_i) begin
      s2_diff_q[l*32+:32] <= softmax_pkg::difference({s1_x_q[l*16+:16], 16'b0},
                                                     {s_max_q[15:0], 16'b0});
      s3_arg_q[l*25+:25]  <= softmax_pkg::exp_argument(s2_diff_q[l*32+:32]);
      s4_exp_q[l*32+:32]  <= softmax_pkg::exp_value(s3_arg_q[l*25+:25]);
    end
  end
  always_ff @(posedge clk_i) begin
    s2_scale_q <= softmax_pkg::difference({s1_old_q, 16'b0}, {s_max_q[15:0], 16'b0});
    s3_scale_q <= softmax_pkg::exp_argument(s2_scale_q);
    s4_scale_q <= softmax_pkg::exp_value(s3_scale_q);
    s5_scale_q <= s4_scale_q;
  end

  // ---- S4: tree over the lanes.
  for (genvar i = 2 * Leaves - 1; i >= 1; i--) begin : gen_node
    logic [31:0] sum;
    if (i >= Leaves + Lanes) begin : gen_empty
      assign sum = '0;
    end else if (i >= Leaves) begin : gen_leaf
      assign sum = s4_exp_q[(i-Leaves)*32+:32];
    end else begin : gen_add
      assign sum = fp32_pkg::add(gen_node[2*i].sum, gen_node[2*i+1].sum);
    end
  end
  always_ff @(posedge clk_i) s5_sum_q <= gen_node[1].sum;

  // ---- S5: rescale and add.
  always_ff @(posedge clk_i) begin
    if (s_valid_q[4]) begin
      sum_q <= s_first_q[4] ? s5_sum_q
                            : fp32_pkg::add(fp32_pkg::mul(sum_q, s5_scale_q), s5_sum_q);
    end
  end

  // ---- R1 .. R3: reciprocal.
  logic        r2_valid_q, r3_valid_q, r2_bank_q, r3_bank_q, r2_bad_q, r3_bad_q;
  logic [31:0] r2_sum_q, r3_sum_q;
  logic [24:0] r2_y_q, r3_y_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      r2_valid_q <= 1'b0;
      r3_valid_q <= 1'b0;
    end else begin
      r2_valid_q <= s_valid_q[5] && s_last_q[5];
      r3_valid_q <= r2_valid_q;
    end
  end
  always_ff @(posedge clk_i) begin
    r2_sum_q  <= sum_q;
    r2_y_q    <= softmax_pkg::recip_first({1'b1, sum_q[22:0]});
    r2_bank_q <= s_bank_q[5];
    r2_bad_q  <= s_bad_q[5];
    r3_sum_q  <= r2_sum_q;
    r3_y_q    <= softmax_pkg::recip_second({1'b1, r2_sum_q[22:0]}, r2_y_q);
    r3_bank_q <= r2_bank_q;
    r3_bad_q  <= r2_bad_q;
  end

  logic [31:0] recip0_q, recip1_q;
  logic [15:0] max0_q, max1_q;
  logic [1:0]  bank_bad_q;
  always_ff @(posedge clk_i) begin
    if (r3_valid_q && !r3_bank_q) begin
      recip0_q <= softmax_pkg::recip_pack(r3_sum_q, r3_y_q);
      max0_q   <= s_max_q[16*7+:16];
    end
    if (r3_valid_q && r3_bank_q) begin
      recip1_q <= softmax_pkg::recip_pack(r3_sum_q, r3_y_q);
      max1_q   <= s_max_q[16*7+:16];
    end
    if (r3_valid_q) bank_bad_q[r3_bank_q] <= r3_bad_q;
  end

  // ---- E1 .. E5: out.
  logic                advance;
  logic [3:0]          e_valid_q, e_last_q, e_bad_q;
  logic [16*Lanes-1:0] emit_x;
  logic [15:0]         emit_max;
  logic [31:0]         emit_recip, e2_recip_q, e3_recip_q, e4_recip_q;
  logic [32*Lanes-1:0] e2_diff_q, e4_exp_q, e5_product_q;
  logic [25*Lanes-1:0] e3_arg_q;

  assign advance    = !out_valid_o || out_ready_i;
  assign emit_fire  = done_q[emit_bank_q] && advance;
  assign emit_x     = emit_bank_q ? buffer1[emit_at_q] : buffer0[emit_at_q];
  assign emit_max   = emit_bank_q ? max1_q : max0_q;
  assign emit_recip = emit_bank_q ? recip1_q : recip0_q;
  assign emit_last  = emit_at_q == (emit_bank_q ? last_at1_q : last_at0_q);

  for (genvar l = 0; l < Lanes; l++) begin : gen_emit
    always_ff @(posedge clk_i) begin
      if (advance) begin
        e2_diff_q[l*32+:32]    <= softmax_pkg::difference({emit_x[l*16+:16], 16'b0},
                                                          {emit_max, 16'b0});
        e3_arg_q[l*25+:25]     <= softmax_pkg::exp_argument(e2_diff_q[l*32+:32]);
        e4_exp_q[l*32+:32]     <= softmax_pkg::exp_value(e3_arg_q[l*25+:25]);
        e5_product_q[l*32+:32] <= fp32_pkg::mul(e4_exp_q[l*32+:32], e4_recip_q);
        out_data_o[l*16+:16]   <= e_bad_q[3] ? 16'h7fc0
                                             : softmax_pkg::to_bf16(e5_product_q[l*32+:32]);
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (advance) begin
      e2_recip_q <= emit_recip;
      e3_recip_q <= e2_recip_q;
      e4_recip_q <= e3_recip_q;
      e_last_q   <= {e_last_q[2:0], emit_last};
      e_bad_q    <= {e_bad_q[2:0], bank_bad_q[emit_bank_q]};
      out_last_o <= e_last_q[3];
    end
  end
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      e_valid_q   <= '0;
      out_valid_o <= 1'b0;
    end else if (advance) begin
      e_valid_q   <= {e_valid_q[2:0], emit_fire};
      out_valid_o <= e_valid_q[3];
    end
  end

  // ---- Bank and address control.
  logic [1:0] taken_d, done_d;
  always_comb begin
    taken_d = taken_q;
    done_d  = done_q;
    if (in_fire && in_last_i) taken_d[load_bank_q] = 1'b1;
    if (r3_valid_q) done_d[r3_bank_q] = 1'b1;
    if (emit_fire && emit_last) begin
      taken_d[emit_bank_q] = 1'b0;
      done_d[emit_bank_q]  = 1'b0;
    end
  end
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      taken_q     <= '0;
      done_q      <= '0;
      load_bank_q <= 1'b0;
      emit_bank_q <= 1'b0;
      load_at_q   <= '0;
      emit_at_q   <= '0;
    end else begin
      taken_q <= taken_d;
      done_q  <= done_d;
      if (in_fire) load_at_q <= in_last_i ? '0 : load_at_q + 1'b1;
      if (in_fire && in_last_i) load_bank_q <= !load_bank_q;
      if (emit_fire) emit_at_q <= emit_last ? '0 : emit_at_q + 1'b1;
      if (emit_fire && emit_last) emit_bank_q <= !emit_bank_q;
    end
  end

  logic unused_stages;
  assign unused_stages = ^{s_first_q[5], s_last_q[4:0], s_max_q[16*9-1:16*8]};

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_done_is_taken, (done_q & ~taken_q) == '0)
  `ATHENA_ASSERT(a_one_done_at_a_time, !r3_valid_q || !done_q[r3_bank_q])
endmodule
