// Moves 1- to 3-dimensional strided boxes between two memory ports and signals a semaphore when the
// last write of a box is acknowledged.
//
//  descriptor -> read walker -> read bursts (ar) -> data (r) -> buffer -> write bursts (aw, w) -> b
//             \-> write walker (a descriptor behind, so that reads of the next box overlap)
//
// A read burst is asked for only when the buffer has room for all of it, so r_ready_o never falls.
module dma_engine #(
  parameter int unsigned DataBits  = 64,
  parameter int unsigned MaxBurst  = 8,   // beats
  parameter int unsigned BufBeats  = 32,
  parameter int unsigned MaxReads  = 4,   // read bursts in flight
  parameter int unsigned MaxWrites = 4,   // write bursts without acknowledgement
  parameter int unsigned AddrBits  = dma_engine_pkg::AddrBits,
  parameter int unsigned CountBits = dma_engine_pkg::CountBits,
  parameter int unsigned SemBits   = dma_engine_pkg::SemBits,
  parameter int unsigned LenBits   = $clog2(MaxBurst + 1)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  // Descriptor.
  input  logic                 desc_valid_i,
  output logic                 desc_ready_o,
  input  logic [AddrBits-1:0]  desc_src_i,
  input  logic [AddrBits-1:0]  desc_dst_i,
  input  logic [AddrBits-1:0]  desc_src_stride1_i,
  input  logic [AddrBits-1:0]  desc_src_stride2_i,
  input  logic [AddrBits-1:0]  desc_dst_stride1_i,
  input  logic [AddrBits-1:0]  desc_dst_stride2_i,
  input  logic [CountBits-1:0] desc_count0_i,
  input  logic [CountBits-1:0] desc_count1_i,
  input  logic [CountBits-1:0] desc_count2_i,
  input  logic [SemBits-1:0]   desc_sem_i,
  // Read side.
  output logic                 ar_valid_o,
  input  logic                 ar_ready_i,
  output logic [AddrBits-1:0]  ar_addr_o,
  output logic [LenBits-1:0]   ar_len_o,
  input  logic                 r_valid_i,
  output logic                 r_ready_o,
  input  logic [DataBits-1:0]  r_data_i,
  input  logic                 r_last_i,
  // Write side.
  output logic                 aw_valid_o,
  input  logic                 aw_ready_i,
  output logic [AddrBits-1:0]  aw_addr_o,
  output logic [LenBits-1:0]   aw_len_o,
  output logic                 w_valid_o,
  input  logic                 w_ready_i,
  output logic [DataBits-1:0]  w_data_o,
  output logic                 w_last_o,
  input  logic                 b_valid_i,
  output logic                 b_ready_o,
  // Completion.
  output logic                 sem_valid_o,
  input  logic                 sem_ready_i,
  output logic [SemBits-1:0]   sem_id_o,
  output logic                 busy_o
);
  localparam int unsigned RoomBits  = $clog2(BufBeats + 1);
  localparam int unsigned ReadBits  = $clog2(MaxReads + 1);
  localparam int unsigned DescBits  = 3 * AddrBits + 3 * CountBits + SemBits;

  // ---- Descriptors: to the read walker at once, to the write walker through a queue of two -------
  logic                rd_idle, wr_idle, queue_ready, queue_valid, desc_fire;
  logic [DescBits-1:0] queue_out;
  logic [AddrBits-1:0] wr_addr, wr_stride1, wr_stride2;
  logic [CountBits-1:0] wr_count0, wr_count1, wr_count2;
  logic [SemBits-1:0]  wr_sem, wr_sem_q;

  assign desc_ready_o = rd_idle && queue_ready;
  assign desc_fire    = desc_valid_i && desc_ready_o;

  fifo #(
    .Width(DescBits),
    .Depth(2)
  ) u_desc (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .valid_i(desc_fire),
    .ready_o(queue_ready),
    .data_i ({desc_dst_i, desc_dst_stride1_i, desc_dst_stride2_i, desc_count0_i, desc_count1_i,
              desc_count2_i, desc_sem_i}),
    .valid_o(queue_valid),
    .ready_i(wr_idle),
    .data_o (queue_out)
  );
  assign {wr_addr, wr_stride1, wr_stride2, wr_count0, wr_count1, wr_count2, wr_sem} = queue_out;

  // ---- Reads ------------------------------------------------------------------------------------
  logic                rd_last_unused;
  logic [RoomBits-1:0] reserved_q;  // beats of the buffer that are held or asked for
  logic [ReadBits-1:0] reads_q;
  logic                ar_fire, r_fire, w_fire;

  dma_walker #(
    .MaxBurst(MaxBurst)
  ) u_read (
    .clk_i    (clk_i),
    .rst_ni   (rst_ni),
    .start_i  (desc_fire),
    .idle_o   (rd_idle),
    .addr_i   (desc_src_i),
    .stride1_i(desc_src_stride1_i),
    .stride2_i(desc_src_stride2_i),
    .count0_i (desc_count0_i),
    .count1_i (desc_count1_i),
    .count2_i (desc_count2_i),
    .addr_o   (ar_addr_o),
    .len_o    (ar_len_o),
    .last_o   (rd_last_unused),
    .next_i   (ar_fire)
  );
  assign ar_valid_o = !rd_idle && (reads_q != ReadBits'(MaxReads)) &&
                      (RoomBits'(BufBeats) - reserved_q >= RoomBits'(ar_len_o));
  assign ar_fire    = ar_valid_o && ar_ready_i;
  assign r_fire     = r_valid_i && r_ready_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      reserved_q <= '0;
      reads_q    <= '0;
    end else begin
      reserved_q <= reserved_q + (ar_fire ? RoomBits'(ar_len_o) : '0) - RoomBits'(w_fire);
      reads_q    <= reads_q + ReadBits'(ar_fire) - ReadBits'(r_fire && r_last_i);
    end
  end

  logic buffer_valid;
  logic w_burst_valid, w_burst_done;
  fifo #(
    .Width(DataBits),
    .Depth(BufBeats)
  ) u_buffer (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .valid_i(r_valid_i),
    .ready_o(r_ready_o),
    .data_i (r_data_i),
    .valid_o(buffer_valid),
    .ready_i(w_ready_i && w_burst_valid),
    .data_o (w_data_o)
  );

  // ---- Writes -----------------------------------------------------------------------------------
  logic               wr_last, aw_fire, len_ready, done_ready, done_valid, done_last;
  logic [LenBits-1:0] w_len, w_count_q;
  logic [SemBits-1:0] done_sem;

  dma_walker #(
    .MaxBurst(MaxBurst)
  ) u_write (
    .clk_i    (clk_i),
    .rst_ni   (rst_ni),
    .start_i  (queue_valid),
    .idle_o   (wr_idle),
    .addr_i   (wr_addr),
    .stride1_i(wr_stride1),
    .stride2_i(wr_stride2),
    .count0_i (wr_count0),
    .count1_i (wr_count1),
    .count2_i (wr_count2),
    .addr_o   (aw_addr_o),
    .len_o    (aw_len_o),
    .last_o   (wr_last),
    .next_i   (aw_fire)
  );
  always_ff @(posedge clk_i) begin
    if (wr_idle) wr_sem_q <= wr_sem;
  end
  assign aw_valid_o = !wr_idle && len_ready && done_ready;
  assign aw_fire    = aw_valid_o && aw_ready_i;

  // Bursts whose data is still to be sent.
  fifo #(
    .Width(LenBits),
    .Depth(MaxWrites)
  ) u_len (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .valid_i(aw_fire),
    .ready_o(len_ready),
    .data_i (aw_len_o),
    .valid_o(w_burst_valid),
    .ready_i(w_burst_done),
    .data_o (w_len)
  );
  assign w_valid_o    = buffer_valid && w_burst_valid;
  assign w_last_o     = w_count_q + 1'b1 == w_len;
  assign w_fire       = w_valid_o && w_ready_i;
  assign w_burst_done = w_fire && w_last_o;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) w_count_q <= '0;
    else if (w_fire) w_count_q <= w_last_o ? '0 : w_count_q + 1'b1;
  end

  // Bursts whose acknowledgement is still to come.
  logic b_fire;
  fifo #(
    .Width(SemBits + 1),
    .Depth(MaxWrites)
  ) u_done (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .valid_i(aw_fire),
    .ready_o(done_ready),
    .data_i ({wr_last, wr_sem_q}),
    .valid_o(done_valid),
    .ready_i(b_fire),
    .data_o ({done_last, done_sem})
  );
  assign b_ready_o = done_valid && !sem_valid_o;
  assign b_fire    = b_valid_i && b_ready_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) sem_valid_o <= 1'b0;
    else if (b_fire && done_last) sem_valid_o <= 1'b1;
    else if (sem_ready_i) sem_valid_o <= 1'b0;
  end
  always_ff @(posedge clk_i) begin
    if (b_fire && done_last) sem_id_o <= done_sem;
  end

  assign busy_o = !rd_idle || !wr_idle || queue_valid || done_valid || sem_valid_o;

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_buffer_room, !r_valid_i || r_ready_o || (reads_q == '0))
  `ATHENA_ASSERT(a_reserved, reserved_q <= RoomBits'(BufBeats))
  `ATHENA_ASSERT(a_reads, reads_q <= ReadBits'(MaxReads))
`ifdef PROVE_DMA_ENGINE
  `include "formal/dma_engine_properties.svh"
`endif
endmodule
