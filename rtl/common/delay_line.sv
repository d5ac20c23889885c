// Width bits delayed by Stages clock edges on which en_i is set; Stages = 0 is a wire.
// Not in waveforms: its ends are visible where it is used.
// verilator tracing_off
module delay_line #(
  parameter int unsigned Width  = 8,
  parameter int unsigned Stages = 1
) (
  input  logic             clk_i,
  input  logic             en_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);
  if (Stages == 0) begin : gen_wire
    assign data_o = data_i;
    logic unused;
    assign unused = ^{clk_i, en_i};
  end else if (Stages == 1) begin : gen_one
    logic [Width-1:0] data_q;
    always_ff @(posedge clk_i) begin
      if (en_i) data_q <= data_i;
    end
    assign data_o = data_q;
  end else begin : gen_many
    logic [Width*Stages-1:0] data_q;
    always_ff @(posedge clk_i) begin
      if (en_i) data_q <= {data_q[Width*(Stages-1)-1:0], data_i};
    end
    assign data_o = data_q[Width*Stages-1-:Width];
  end
endmodule
// verilator tracing_on
