// Weight-stationary R x C array, Depth products per element, with skewing, double-buffered weights and
// an accumulator bank. Three streams with valid/ready; see README.md for the timing.
//
//  weights in   one row of C x Depth values per beat, Rows beats fill a bank
//  operands in  one row of Rows x Depth values per beat; flags say first fold (store instead of add),
//               last fold (emit the sums), last row of this tile (frees the weight bank)
//  sums out     one row of C sums per beat
//
// Hazard rules, enforced at the entrance only (the waves keep their distance after that):
//  - a bank may be refilled from the cycle after the last operand row that uses it has entered;
//  - operands may enter from the cycle after the last weight row of their bank has entered.
// Back-pressure on the sums freezes the whole array.
module systolic_array #(
  parameter int unsigned Rows     = 16,
  parameter int unsigned Cols     = 16,
  parameter int unsigned Depth    = 1,
  parameter int unsigned Format   = 0,
  parameter int unsigned PsumHop  = 1,
  parameter int unsigned AccRows  = 256,
  // Derived; not to be set.
  parameter int unsigned ElemBits = (Format == 0) ? 16 : 8,
  parameter int unsigned ActBits  = ElemBits * Depth * Rows,
  parameter int unsigned WtBits   = ElemBits * Depth * Cols
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // Weights.
  input  logic               wt_valid_i,
  output logic               wt_ready_o,
  input  logic [WtBits-1:0]  wt_data_i,
  input  logic [8*Cols-1:0]  wt_scale_i,  // MX: scale of each column, taken with the first beat
  // Operands.
  input  logic               act_valid_i,
  output logic               act_ready_o,
  input  logic [ActBits-1:0] act_data_i,
  input  logic [7:0]         act_scale_i,  // MX: scale of this row
  input  logic               act_first_i,
  input  logic               act_last_i,
  input  logic               act_tile_last_i,
  // Accumulator preload: rows 0, 1, ... ; taken only while no operand is in flight.
  input  logic               init_valid_i,
  output logic               init_ready_o,
  input  logic [32*Cols-1:0] init_data_i,
  input  logic               init_last_i,
  // Sums.
  output logic               out_valid_o,
  input  logic               out_ready_i,
  output logic [32*Cols-1:0] out_data_o,
  output logic               out_last_o
);
  localparam int unsigned TagBits   = (Rows > 1) ? $clog2(Rows) : 1;
  localparam int unsigned AddrBits  = (AccRows > 1) ? $clog2(AccRows) : 1;
  localparam int unsigned VecBits   = ElemBits * Depth;
  localparam int unsigned TreeRegs  = (Depth > 1) ? 1 : 0;
  // Acceptance to the cycle in which the deskewed sums are at the accumulator.
  localparam int unsigned ToAcc     = PsumHop * Rows + Cols + TreeRegs;
  localparam int unsigned ScaleIdxBits = $clog2(systolic_array_pkg::ScaleBanks);

  logic advance;
  assign advance = !out_valid_o || out_ready_i;

  // ---- Entrance -----------------------------------------------------------------------------
  logic [1:0]         full_d, full_q;  // a bank holds a whole tile that is still in use
  logic               load_bank_q, use_bank_q;
  logic [TagBits-1:0] load_row_q;
  logic               wt_fire, act_fire, load_done;

  assign wt_ready_o  = advance && !full_q[load_bank_q];
  assign act_ready_o = advance && full_q[use_bank_q];
  assign wt_fire     = wt_valid_i && wt_ready_o;
  assign act_fire    = act_valid_i && act_ready_o;
  assign load_done   = wt_fire && (load_row_q == TagBits'(Rows - 1));

  always_comb begin
    full_d = full_q;
    if (load_done) full_d[load_bank_q] = 1'b1;
    if (act_fire && act_tile_last_i) full_d[use_bank_q] = 1'b0;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      full_q      <= '0;
      load_bank_q <= 1'b0;
      use_bank_q  <= 1'b0;
      load_row_q  <= '0;
    end else begin
      full_q <= full_d;
      if (wt_fire) load_row_q <= load_done ? '0 : load_row_q + 1'b1;
      if (load_done) load_bank_q <= !load_bank_q;
      if (act_fire && act_tile_last_i) use_bank_q <= !use_bank_q;
    end
  end

  // ---- Array --------------------------------------------------------------------------------
  // Operands of row r wait r hops, weights of column c wait c cycles, sums of column c wait for the
  // last column.
  for (genvar r = 0; r < Rows; r++) begin : gen_row
    logic [VecBits-1:0] skewed;
    logic               skewed_valid, skewed_bank;
    delay_line #(
      .Width (VecBits),
      .Stages(PsumHop * r)
    ) u_skew (
      .clk_i (clk_i),
      .en_i  (advance),
      .data_i(act_data_i[r*VecBits+:VecBits]),
      .data_o(skewed)
    );
    // Control travels down the rows, one hop at a time.
    if (r == 0) begin : gen_head
      assign skewed_valid = act_fire;
      assign skewed_bank  = use_bank_q;
    end else begin : gen_tail
      logic [2*PsumHop-1:0] control_q;
      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) control_q <= '0;
        else if (advance) begin
          control_q <= (2 * PsumHop)'({control_q, gen_row[r-1].skewed_valid,
                                       gen_row[r-1].skewed_bank});
        end
      end
      assign skewed_valid = control_q[2*PsumHop-1];
      assign skewed_bank  = control_q[2*PsumHop-2];
    end

    for (genvar c = 0; c < Cols; c++) begin : gen_col
      // Nobody listens to the right and bottom edges of the grid.
      // verilator lint_off UNUSEDSIGNAL
      logic               act_valid, act_bank, wt_valid, wt_bank;
      logic [VecBits-1:0] act, wt;
      logic [TagBits-1:0] wt_tag;
      // verilator lint_on UNUSEDSIGNAL
      logic [VecBits-1:0] act_in, wt_in;
      logic [TagBits-1:0] wt_tag_in;
      logic [31:0]        psum, psum_in;
      logic               act_valid_in, act_bank_in, wt_valid_in, wt_bank_in;

      if (c == 0) begin : gen_left
        assign act_valid_in = skewed_valid;
        assign act_bank_in  = skewed_bank;
        assign act_in       = skewed;
      end else begin : gen_inner_col
        assign act_valid_in = gen_row[r].gen_col[c-1].act_valid;
        assign act_bank_in  = gen_row[r].gen_col[c-1].act_bank;
        assign act_in       = gen_row[r].gen_col[c-1].act;
      end

      if (r == 0) begin : gen_top
        assign psum_in = '0;
        delay_line #(
          .Width (VecBits),
          .Stages(c)
        ) u_wt_skew (
          .clk_i (clk_i),
          .en_i  (advance),
          .data_i(wt_data_i[c*VecBits+:VecBits]),
          .data_o(wt_in)
        );
        if (c == 0) begin : gen_corner
          assign wt_valid_in = wt_fire;
          assign wt_bank_in  = load_bank_q;
          assign wt_tag_in   = load_row_q;
        end else begin : gen_edge
          logic               wt_valid_q, wt_bank_q;
          logic [TagBits-1:0] wt_tag_q;
          always_ff @(posedge clk_i or negedge rst_ni) begin
            if (!rst_ni) wt_valid_q <= 1'b0;
            else if (advance) wt_valid_q <= gen_row[0].gen_col[c-1].wt_valid_in;
          end
          always_ff @(posedge clk_i) begin
            if (advance) begin
              wt_bank_q <= gen_row[0].gen_col[c-1].wt_bank_in;
              wt_tag_q  <= gen_row[0].gen_col[c-1].wt_tag_in;
            end
          end
          assign wt_valid_in = wt_valid_q;
          assign wt_bank_in  = wt_bank_q;
          assign wt_tag_in   = wt_tag_q;
        end
      end else begin : gen_inner_row
        assign psum_in     = gen_row[r-1].gen_col[c].psum;
        assign wt_valid_in = gen_row[r-1].gen_col[c].wt_valid;
        assign wt_bank_in  = gen_row[r-1].gen_col[c].wt_bank;
        assign wt_tag_in   = gen_row[r-1].gen_col[c].wt_tag;
        assign wt_in       = gen_row[r-1].gen_col[c].wt;
      end

      systolic_pe #(
        .Format (Format),
        .Depth  (Depth),
        .PsumHop(PsumHop),
        .TagBits(TagBits)
      ) u_pe (
        .clk_i      (clk_i),
        .rst_ni     (rst_ni),
        .en_i       (advance),
        .act_valid_i(act_valid_in),
        .act_bank_i (act_bank_in),
        .act_i      (act_in),
        .act_valid_o(act_valid),
        .act_bank_o (act_bank),
        .act_o      (act),
        .wt_valid_i (wt_valid_in),
        .wt_bank_i  (wt_bank_in),
        .wt_tag_i   (wt_tag_in),
        .wt_i       (wt_in),
        .wt_valid_o (wt_valid),
        .wt_bank_o  (wt_bank),
        .wt_tag_o   (wt_tag),
        .wt_o       (wt),
        .psum_i     (psum_in),
        .psum_o     (psum)
      );
    end
  end

  // ---- Accumulators -------------------------------------------------------------------------
  // Control of a row: valid, first, last, tile_last, delayed to meet its sums.
  logic [3:0] entry_control, acc_control;
  logic       acc_valid, acc_first, acc_last, acc_tile_last;
  assign entry_control = {act_fire, act_first_i, act_last_i, act_tile_last_i};
  logic [4*ToAcc-1:0] control_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) control_q <= '0;
    else if (advance) control_q <= (4 * ToAcc)'({control_q, entry_control});
  end
  assign acc_control = control_q[4*ToAcc-1-:4];

  logic [32*Cols-1:0] deskewed;
  for (genvar c = 0; c < Cols; c++) begin : gen_deskew
    delay_line #(
      .Width (32),
      .Stages(Cols - 1 - c)
    ) u_deskew (
      .clk_i (clk_i),
      .en_i  (advance),
      .data_i(gen_row[Rows-1].gen_col[c].psum),
      .data_o(deskewed[c*32+:32])
    );
  end

  // Addends: the sums themselves, or (MX) the sums converted under their scales, one stage later.
  logic [32*Cols-1:0] addend;
  if (Format == systolic_array_pkg::FormatMx8) begin : gen_scale
    logic [8*Cols-1:0]       scale_q  [systolic_array_pkg::ScaleBanks];
    logic [ScaleIdxBits-1:0] load_scale_q, use_scale_q, acc_scale_bank;
    logic [7:0]              acc_act_scale;
    logic [8*Cols-1:0]       acc_wt_scale;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        load_scale_q <= '0;
        use_scale_q  <= '0;
      end else begin
        if (load_done) load_scale_q <= load_scale_q + 1'b1;
        if (act_fire && act_tile_last_i) use_scale_q <= use_scale_q + 1'b1;
      end
    end
    always_ff @(posedge clk_i) begin
      if (wt_fire && (load_row_q == '0)) scale_q[load_scale_q] <= wt_scale_i;
    end
    delay_line #(
      .Width (8 + ScaleIdxBits),
      .Stages(ToAcc)
    ) u_scale (
      .clk_i (clk_i),
      .en_i  (advance),
      .data_i({use_scale_q, act_scale_i}),
      .data_o({acc_scale_bank, acc_act_scale})
    );
    assign acc_wt_scale = scale_q[acc_scale_bank];
    logic [3:0] scaled_control_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) scaled_control_q <= '0;
      else if (advance) scaled_control_q <= acc_control;
    end
    for (genvar c = 0; c < Cols; c++) begin : gen_convert
      logic [31:0] scaled_q;
      always_ff @(posedge clk_i) begin
        if (advance && acc_control[3]) begin
          scaled_q <= fp32_pkg::scale_mx(deskewed[c*32+:32], acc_act_scale,
                                         acc_wt_scale[c*8+:8]);
        end
      end
      assign addend[c*32+:32] = scaled_q;
    end
    assign {acc_valid, acc_first, acc_last, acc_tile_last} = scaled_control_q;
  end else begin : gen_no_scale
    logic unused_scale;
    assign unused_scale = ^{act_scale_i, wt_scale_i};
    assign addend = deskewed;
    assign {acc_valid, acc_first, acc_last, acc_tile_last} = acc_control;
  end

  logic [AddrBits-1:0] acc_addr_q, init_addr_q, write_addr;
  logic                acc_fire, init_fire, write_en;
  logic [32*Cols-1:0]  acc_read, acc_sum, write_data;
  logic [32*Cols-1:0]  acc_mem [AccRows];

  assign acc_fire = acc_valid && advance;
  assign acc_read = acc_mem[acc_addr_q];
  for (genvar c = 0; c < Cols; c++) begin : gen_accumulate
    logic [31:0] old, sum;
    assign old = acc_read[c*32+:32];
    if (Format == systolic_array_pkg::FormatInt8) begin : gen_int
      assign sum = old + addend[c*32+:32];
    end else begin : gen_fp
      assign sum = fp32_pkg::add(old, addend[c*32+:32]);
    end
    assign acc_sum[c*32+:32] = acc_first ? addend[c*32+:32] : sum;
  end

  // Rows between the entrance and the accumulator.
  localparam int unsigned FlightBits = $clog2(ToAcc + 3);
  logic [FlightBits-1:0] flight_q;
  assign init_ready_o = (flight_q == '0) && !act_valid_i;
  assign init_fire    = init_valid_i && init_ready_o;
  assign write_en     = acc_fire || init_fire;
  assign write_addr   = acc_fire ? acc_addr_q : init_addr_q;
  assign write_data   = acc_fire ? acc_sum : init_data_i;

  always_ff @(posedge clk_i) begin
    if (write_en) acc_mem[write_addr] <= write_data;
    if (acc_fire && acc_last) begin
      out_data_o <= acc_sum;
      out_last_o <= acc_tile_last;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      out_valid_o <= 1'b0;
      acc_addr_q  <= '0;
      init_addr_q <= '0;
      flight_q    <= '0;
    end else begin
      if (advance) out_valid_o <= acc_valid && acc_last;
      if (acc_fire) acc_addr_q <= acc_tile_last ? '0 : acc_addr_q + 1'b1;
      if (init_fire) init_addr_q <= init_last_i ? '0 : init_addr_q + 1'b1;
      flight_q <= flight_q + FlightBits'(act_fire) - FlightBits'(acc_fire);
    end
  end

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_flight_bounded, flight_q <= FlightBits'(ToAcc + 1))
  `ATHENA_ASSERT(a_no_lost_row, !(acc_fire && init_fire))
  `ATHENA_ASSERT(a_use_only_full, !act_fire || full_q[use_bank_q])
  `ATHENA_ASSERT(a_load_only_empty, !wt_fire || !full_q[load_bank_q])
endmodule
