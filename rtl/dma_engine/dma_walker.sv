// Walks a box of count0 x count1 x count2 beats and cuts it into bursts of at most MaxBurst beats that
// never cross a row. Addresses are in beats; dimension 0 is contiguous.
module dma_walker #(
  parameter int unsigned MaxBurst  = 8,
  parameter int unsigned AddrBits  = dma_engine_pkg::AddrBits,
  parameter int unsigned CountBits = dma_engine_pkg::CountBits,
  parameter int unsigned LenBits   = $clog2(MaxBurst + 1)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 start_i,  // taken when idle_o
  output logic                 idle_o,
  input  logic [AddrBits-1:0]  addr_i,
  input  logic [AddrBits-1:0]  stride1_i,
  input  logic [AddrBits-1:0]  stride2_i,
  input  logic [CountBits-1:0] count0_i,
  input  logic [CountBits-1:0] count1_i,
  input  logic [CountBits-1:0] count2_i,
  // Current burst, stable until next_i.
  output logic [AddrBits-1:0]  addr_o,
  output logic [LenBits-1:0]   len_o,
  output logic                 last_o,
  input  logic                 next_i
);
  logic                 active_q;
  logic [AddrBits-1:0]  addr_q, row_q, plane_q, stride1_q, stride2_q;
  logic [CountBits-1:0] count0_q, count1_q;
  logic [CountBits-1:0] left0_q, left1_q, left2_q;  // beats in the row, rows, planes still to do
  logic                 row_done;

  assign idle_o   = !active_q;
  assign addr_o   = addr_q;
  assign len_o    = (left0_q > CountBits'(MaxBurst)) ? LenBits'(MaxBurst) : left0_q[LenBits-1:0];
  assign row_done = left0_q <= CountBits'(MaxBurst);
  assign last_o   = row_done && (left1_q == CountBits'(1)) && (left2_q == CountBits'(1));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) active_q <= 1'b0;
    else if (!active_q) active_q <= start_i;
    else if (next_i && last_o) active_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (!active_q) begin
      addr_q    <= addr_i;
      row_q     <= addr_i;
      plane_q   <= addr_i;
      stride1_q <= stride1_i;
      stride2_q <= stride2_i;
      count0_q  <= count0_i;
      count1_q  <= count1_i;
      left0_q   <= count0_i;
      left1_q   <= count1_i;
      left2_q   <= count2_i;
    end else if (next_i) begin
      if (!row_done) begin
        addr_q  <= addr_q + AddrBits'(MaxBurst);
        left0_q <= left0_q - CountBits'(MaxBurst);
      end else if (left1_q != CountBits'(1)) begin
        addr_q  <= row_q + stride1_q;
        row_q   <= row_q + stride1_q;
        left0_q <= count0_q;
        left1_q <= left1_q - 1'b1;
      end else begin
        addr_q  <= plane_q + stride2_q;
        row_q   <= plane_q + stride2_q;
        plane_q <= plane_q + stride2_q;
        left0_q <= count0_q;
        left1_q <= count1_q;
        left2_q <= left2_q - 1'b1;
      end
    end
  end
endmodule
