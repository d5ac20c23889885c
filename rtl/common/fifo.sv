// Queue with valid/ready on both sides. Data appears at the output the cycle after it entered.
module fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 4
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);
  localparam int unsigned PtrBits   = (Depth > 1) ? $clog2(Depth) : 1;
  localparam int unsigned CountBits = $clog2(Depth + 1);

  logic [Width-1:0]     mem [Depth];
  logic [PtrBits-1:0]   write_q, read_q;
  logic [CountBits-1:0] count_q;
  logic                 push, pop;

  assign ready_o = count_q != CountBits'(Depth);
  assign valid_o = count_q != '0;
  assign data_o  = mem[read_q];
  assign push    = valid_i && ready_o;
  assign pop     = valid_o && ready_i;

  always_ff @(posedge clk_i) begin
    if (push) mem[write_q] <= data_i;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      count_q <= '0;
    end else begin
      if (push) write_q <= (write_q == PtrBits'(Depth - 1)) ? '0 : write_q + 1'b1;
      if (pop) read_q <= (read_q == PtrBits'(Depth - 1)) ? '0 : read_q + 1'b1;
      count_q <= count_q + CountBits'(push) - CountBits'(pop);
    end
  end

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_count, count_q <= CountBits'(Depth))
`ifdef PROVE_FIFO
  `include "formal/fifo_properties.svh"
`endif
endmodule
