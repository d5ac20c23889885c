// FR-FCFS command scheduler of one HBM channel: two pseudo-channels with a shared row-command bus and a
// shared column-command bus, one command a cycle on each. Open page; oldest row hit first, else oldest
// request that needs an activate or a precharge; a row with hits waiting is never closed. Reads and
// writes are served in turns (write drain between two watermarks). All-bank refresh of both
// pseudo-channels. Times are in tCK; the defaults are the derived HBM2E 3.2 Gb/s set.
module hbm_scheduler #(
  parameter int unsigned Entries   = 32,
  parameter int unsigned DrainHigh = 24,  // writes waiting that start a drain
  parameter int unsigned DrainLow  = 6,   // writes left that end it
  parameter int unsigned TRcdRd = 23,
  parameter int unsigned TRcdWr = 20,
  parameter int unsigned TRp    = 23,
  parameter int unsigned TRas   = 55,
  parameter int unsigned TRc    = 78,
  parameter int unsigned TWr    = 26,
  parameter int unsigned TRtp   = 8,
  parameter int unsigned TCcdS  = 2,
  parameter int unsigned TCcdL  = 4,
  parameter int unsigned TRrdS  = 7,
  parameter int unsigned TRrdL  = 7,
  parameter int unsigned TFaw   = 24,
  parameter int unsigned TWtrS  = 10,
  parameter int unsigned TWtrL  = 13,
  parameter int unsigned Cl     = 23,
  parameter int unsigned Cwl    = 8,
  parameter int unsigned Bl     = 2,
  parameter int unsigned TRfc   = 560,
  parameter int unsigned TRefi  = 6240
) (
  input  logic                                   clk_i,
  input  logic                                   rst_ni,
  // Requests: one 32 B column each.
  input  logic                                   req_valid_i,
  output logic                                   req_ready_o,
  input  logic                                   req_write_i,
  input  logic [hbm_scheduler_pkg::BankBits-1:0] req_bank_i,
  input  logic [hbm_scheduler_pkg::RowBits-1:0]  req_row_i,
  input  logic [hbm_scheduler_pkg::ColBits-1:0]  req_col_i,
  input  logic [hbm_scheduler_pkg::IdBits-1:0]   req_id_i,
  // Row commands.
  output logic                                   row_valid_o,
  output logic [1:0]                             row_op_o,
  output logic [hbm_scheduler_pkg::BankBits-1:0] row_bank_o,
  output logic [hbm_scheduler_pkg::RowBits-1:0]  row_row_o,
  // Column commands; data follows Cl or Cwl cycles later on the data bus.
  output logic                                   col_valid_o,
  output logic                                   col_write_o,
  output logic [hbm_scheduler_pkg::BankBits-1:0] col_bank_o,
  output logic [hbm_scheduler_pkg::ColBits-1:0]  col_col_o,
  output logic [hbm_scheduler_pkg::IdBits-1:0]   col_id_o,
  output logic                                   busy_o
);
  localparam int unsigned Banks     = hbm_scheduler_pkg::Banks;
  localparam int unsigned BankBits  = hbm_scheduler_pkg::BankBits;
  localparam int unsigned RowBits   = hbm_scheduler_pkg::RowBits;
  localparam int unsigned ColBits   = hbm_scheduler_pkg::ColBits;
  localparam int unsigned IdBits    = hbm_scheduler_pkg::IdBits;
  localparam int unsigned EntryBits = 1 + BankBits + RowBits + ColBits + IdBits;
  localparam int unsigned CountBits = $clog2(Entries + 1);
  localparam int unsigned TimeBits  = 7;
  localparam int unsigned Rtw       = Cl + Bl + 2 - Cwl;

  // ---- Queue, oldest at 0 -----------------------------------------------------------------------
  logic [Entries*EntryBits-1:0] queue_q;
  logic [CountBits-1:0]         count_q, writes_q, push_at;
  logic                         push, drain_q;
  logic [Entries-1:0]           hit, col_ok, row_ok, needs_act, col_pick, row_pick, moves;

  assign req_ready_o = count_q != CountBits'(Entries);
  assign push        = req_valid_i && req_ready_o;
  assign push_at     = count_q - CountBits'(col_valid_o);

  // ---- Banks ------------------------------------------------------------------------------------
  logic [Banks-1:0]         open_q, act_ready, pre_ready, rd_ready, wr_ready, bank_has_hit;
  logic [Banks*RowBits-1:0] open_row_q;
  logic [7:0]               ccd_l_ready, wtr_l_ready, rrd_l_ready;  // per {pc, bank group}
  logic [1:0]               ccd_s_ready, wtr_s_ready, rtw_ready, rrd_s_ready, faw_ready;
  logic                     row_bus_ready, do_act, do_pre, do_prea, do_ref, running;

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    logic act_here, pre_here, rd_here, wr_here;
    assign act_here = do_act && (row_bank_o == BankBits'(b));
    assign pre_here = (do_pre && (row_bank_o == BankBits'(b))) || (do_prea && open_q[b]);
    assign rd_here  = col_valid_o && !col_write_o && (col_bank_o == BankBits'(b));
    assign wr_here  = col_valid_o && col_write_o && (col_bank_o == BankBits'(b));
    hbm_timer #(
      .Width(TimeBits)
    ) u_act (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .set_i   (act_here || pre_here),
      .cycles_i(act_here ? TimeBits'(TRc) : TimeBits'(TRp)),
      .ready_o (act_ready[b])
    );
    hbm_timer #(
      .Width(TimeBits)
    ) u_pre (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .set_i   (act_here || rd_here || wr_here),
      .cycles_i(act_here ? TimeBits'(TRas) : rd_here ? TimeBits'(TRtp) : TimeBits'(Cwl + Bl + TWr)),
      .ready_o (pre_ready[b])
    );
    hbm_timer #(
      .Width(TimeBits)
    ) u_rd (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .set_i   (act_here),
      .cycles_i(TimeBits'(TRcdRd)),
      .ready_o (rd_ready[b])
    );
    hbm_timer #(
      .Width(TimeBits)
    ) u_wr (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .set_i   (act_here),
      .cycles_i(TimeBits'(TRcdWr)),
      .ready_o (wr_ready[b])
    );
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) open_q[b] <= 1'b0;
      else if (act_here) open_q[b] <= 1'b1;
      else if (pre_here) open_q[b] <= 1'b0;
    end
    always_ff @(posedge clk_i) begin
      if (act_here) open_row_q[b*RowBits+:RowBits] <= row_row_o;
    end
  end

  // ---- Bank groups and pseudo-channels ------------------------------------------------------------
  for (genvar g = 0; g < 8; g++) begin : gen_group
    logic col_here, act_here;
    assign col_here = col_valid_o && (col_bank_o[BankBits-1:2] == 3'(g));
    assign act_here = do_act && (row_bank_o[BankBits-1:2] == 3'(g));
    hbm_timer #(.Width(TimeBits)) u_ccd (
      .clk_i(clk_i), .rst_ni(rst_ni), .set_i(col_here), .cycles_i(TimeBits'(TCcdL)),
      .ready_o(ccd_l_ready[g])
    );
    hbm_timer #(.Width(TimeBits)) u_wtr (
      .clk_i(clk_i), .rst_ni(rst_ni), .set_i(col_here && col_write_o),
      .cycles_i(TimeBits'(Cwl + Bl + TWtrL)), .ready_o(wtr_l_ready[g])
    );
    hbm_timer #(.Width(TimeBits)) u_rrd (
      .clk_i(clk_i), .rst_ni(rst_ni), .set_i(act_here), .cycles_i(TimeBits'(TRrdL)),
      .ready_o(rrd_l_ready[g])
    );
  end
  for (genvar p = 0; p < 2; p++) begin : gen_pc
    logic       col_here, act_here;
    logic [3:0] faw_free, faw_set;
    logic [1:0] faw_at_q;
    assign col_here = col_valid_o && (col_bank_o[BankBits-1] == 1'(p));
    assign act_here = do_act && (row_bank_o[BankBits-1] == 1'(p));
    hbm_timer #(.Width(TimeBits)) u_ccd (
      .clk_i(clk_i), .rst_ni(rst_ni), .set_i(col_here), .cycles_i(TimeBits'(TCcdS)),
      .ready_o(ccd_s_ready[p])
    );
    hbm_timer #(.Width(TimeBits)) u_wtr (
      .clk_i(clk_i), .rst_ni(rst_ni), .set_i(col_here && col_write_o),
      .cycles_i(TimeBits'(Cwl + Bl + TWtrS)), .ready_o(wtr_s_ready[p])
    );
    hbm_timer #(.Width(TimeBits)) u_rtw (
      .clk_i(clk_i), .rst_ni(rst_ni), .set_i(col_here && !col_write_o), .cycles_i(TimeBits'(Rtw)),
      .ready_o(rtw_ready[p])
    );
    hbm_timer #(.Width(TimeBits)) u_rrd (
      .clk_i(clk_i), .rst_ni(rst_ni), .set_i(act_here), .cycles_i(TimeBits'(TRrdS)),
      .ready_o(rrd_s_ready[p])
    );
    // Four activates per window: each takes one of four timers in turn; the next one must be free.
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) faw_at_q <= '0;
      else if (act_here) faw_at_q <= faw_at_q + 1'b1;
    end
    for (genvar i = 0; i < 4; i++) begin : gen_faw
      assign faw_set[i] = act_here && (faw_at_q == 2'(i));
      hbm_timer #(.Width(TimeBits)) u_faw (
        .clk_i(clk_i), .rst_ni(rst_ni), .set_i(faw_set[i]), .cycles_i(TimeBits'(TFaw)),
        .ready_o(faw_free[i])
      );
    end
    assign faw_ready[p] = faw_free[faw_at_q];
  end
  // An activate takes the row bus for two cycles.
  hbm_timer #(.Width(TimeBits)) u_row_bus (
    .clk_i(clk_i), .rst_ni(rst_ni), .set_i(do_act), .cycles_i(TimeBits'(2)), .ready_o(row_bus_ready)
  );

  // ---- Choice -------------------------------------------------------------------------------------
  always_comb begin
    bank_has_hit = '0;
    for (int unsigned i = 0; i < Entries; i++) begin
      if (hit[i]) bank_has_hit[queue_q[i*EntryBits+EntryBits-2-:BankBits]] = 1'b1;
    end
  end

  for (genvar i = 0; i < Entries; i++) begin : gen_entry
    logic [EntryBits-1:0] entry;
    logic                 valid, write, pc, in_turn, is_open;
    logic [BankBits-1:0]  bank;
    logic [2:0]           group;
    logic [RowBits-1:0]   row;
    assign entry   = queue_q[i*EntryBits+:EntryBits];
    assign write   = entry[EntryBits-1];
    assign bank    = entry[EntryBits-2-:BankBits];
    assign row     = entry[IdBits+ColBits+:RowBits];
    assign group   = bank[BankBits-1:2];
    assign pc      = bank[BankBits-1];
    assign valid   = CountBits'(i) < count_q;
    assign in_turn = valid && (write == drain_q);
    assign is_open = open_q[bank];
    assign hit[i]  = in_turn && is_open && (open_row_q[bank*RowBits+:RowBits] == row);
    assign col_ok[i] = hit[i] && running && ccd_l_ready[group] && ccd_s_ready[pc] &&
                       (write ? (wr_ready[bank] && rtw_ready[pc])
                              : (rd_ready[bank] && wtr_l_ready[group] && wtr_s_ready[pc]));
    assign needs_act[i] = !is_open;
    assign row_ok[i] = in_turn && running && row_bus_ready &&
                       (is_open ? (!hit[i] && !bank_has_hit[bank] && pre_ready[bank])
                                : (act_ready[bank] && rrd_l_ready[group] && rrd_s_ready[pc] &&
                                   faw_ready[pc]));
    logic [EntryBits-1:0] behind;
    if (i == Entries - 1) begin : gen_last
      assign behind = '0;
    end else begin : gen_behind
      assign behind = queue_q[(i+1)*EntryBits+:EntryBits];
    end
    always_ff @(posedge clk_i) begin
      if (push && (push_at == CountBits'(i))) begin
        queue_q[i*EntryBits+:EntryBits] <= {req_write_i, req_bank_i, req_row_i, req_col_i, req_id_i};
      end else if (moves[i]) begin
        queue_q[i*EntryBits+:EntryBits] <= behind;
      end
    end
  end
  assign col_pick = col_ok & (~col_ok + 1'b1);
  assign row_pick = row_ok & (~row_ok + 1'b1);
  // A column command leaves; it and the younger ones close up. No bit is set when none leaves.
  assign moves    = ~(col_pick - 1'b1);

  logic [EntryBits-1:0] col_entry, row_entry;
  logic                 row_needs_act;
  always_comb begin
    col_entry     = '0;
    row_entry     = '0;
    row_needs_act = 1'b0;
    for (int unsigned i = 0; i < Entries; i++) begin
      if (col_pick[i]) col_entry = col_entry | queue_q[i*EntryBits+:EntryBits];
      if (row_pick[i]) begin
        row_entry     = row_entry | queue_q[i*EntryBits+:EntryBits];
        row_needs_act = row_needs_act | needs_act[i];
      end
    end
  end
  logic unused_row_entry;
  assign unused_row_entry = ^{row_entry[EntryBits-1], row_entry[IdBits+ColBits-1:0],
                              col_entry[IdBits+ColBits+:RowBits]};

  // ---- Refresh --------------------------------------------------------------------------------------
  typedef enum logic [1:0] {
    StRun,      // commands flow
    StClose,    // wait until every open bank may be precharged
    StSettle,   // tRP
    StRefresh   // tRFC
  } state_e;
  localparam int unsigned RefBits = $clog2(TRefi + 1);
  localparam int unsigned WaitBits = $clog2(TRfc + 1);
  state_e              state_q;
  logic [RefBits-1:0]  refi_q;
  logic [WaitBits-1:0] wait_q;
  logic                due_q;

  assign running = state_q == StRun;
  assign do_prea = (state_q == StClose) && row_bus_ready && ((open_q & ~pre_ready) == '0);
  assign do_ref  = (state_q == StSettle) && (wait_q == '0);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StRun;
      refi_q  <= RefBits'(TRefi - 1);
      wait_q  <= '0;
      due_q   <= 1'b0;
    end else begin
      if (refi_q == '0) begin
        refi_q <= RefBits'(TRefi - 1);
        due_q  <= 1'b1;
      end else begin
        refi_q <= refi_q - 1'b1;
        if (do_ref) due_q <= 1'b0;
      end
      unique case (state_q)
        StRun:    if (due_q) state_q <= StClose;
        StClose: begin
          wait_q <= WaitBits'(TRp - 1);
          if (do_prea) state_q <= StSettle;
        end
        StSettle: begin
          wait_q <= do_ref ? WaitBits'(TRfc - 2) : wait_q - 1'b1;
          if (do_ref) state_q <= StRefresh;
        end
        StRefresh: begin
          if (wait_q == '0) state_q <= StRun;
          else wait_q <= wait_q - 1'b1;
        end
      endcase
    end
  end

  // ---- Outputs --------------------------------------------------------------------------------------
  assign do_act = (row_pick != '0) && row_needs_act;
  assign do_pre = (row_pick != '0) && !row_needs_act;
  assign row_valid_o = do_act || do_pre || do_prea || do_ref;
  assign row_op_o = do_ref  ? hbm_scheduler_pkg::OpRefresh :
                    do_prea ? hbm_scheduler_pkg::OpPrechargeAll :
                    do_pre  ? hbm_scheduler_pkg::OpPrecharge : hbm_scheduler_pkg::OpActivate;
  assign row_bank_o  = row_entry[EntryBits-2-:BankBits];
  assign row_row_o   = row_entry[IdBits+ColBits+:RowBits];
  assign col_valid_o = col_pick != '0;
  assign col_write_o = col_entry[EntryBits-1];
  assign col_bank_o  = col_entry[EntryBits-2-:BankBits];
  assign col_col_o   = col_entry[IdBits+:ColBits];
  assign col_id_o    = col_entry[IdBits-1:0];
  assign busy_o      = count_q != '0;

  // ---- Turns of reads and writes ---------------------------------------------------------------------
  logic [CountBits-1:0] reads;
  assign reads = count_q - writes_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      count_q  <= '0;
      writes_q <= '0;
      drain_q  <= 1'b0;
    end else begin
      count_q  <= count_q + CountBits'(push) - CountBits'(col_valid_o);
      writes_q <= writes_q + CountBits'(push && req_write_i) - CountBits'(col_valid_o && col_write_o);
      if (!drain_q) begin
        drain_q <= (writes_q >= CountBits'(DrainHigh)) || ((reads == '0) && (writes_q != '0));
      end else begin
        drain_q <= !((writes_q == '0) || ((writes_q <= CountBits'(DrainLow)) && (reads != '0)));
      end
    end
  end

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_count, (count_q <= CountBits'(Entries)) && (writes_q <= count_q))
  `ATHENA_ASSERT(a_one_row_command, !(do_prea && (row_pick != '0)) && !(do_ref && (row_pick != '0)))
  `ATHENA_ASSERT(a_act_closed, !do_act || !open_q[row_bank_o])
  `ATHENA_ASSERT(a_col_open, !col_valid_o || open_q[col_bank_o])
endmodule
