// Two-entry buffer that cuts the ready path of a stream at full throughput.
module skid_buffer #(
  parameter int unsigned Width = 8
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
  logic             full_q, spare_q;  // output register, spare register
  logic [Width-1:0] data_q, spare_data_q;
  logic             take;

  assign ready_o = !spare_q;
  assign valid_o = full_q;
  assign data_o  = data_q;
  assign take    = valid_i && ready_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      full_q  <= 1'b0;
      spare_q <= 1'b0;
    end else if (!full_q || ready_i) begin
      full_q  <= spare_q || take;
      spare_q <= 1'b0;
    end else begin
      spare_q <= spare_q || take;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!full_q || ready_i) data_q <= spare_q ? spare_data_q : data_i;
    else if (take) spare_data_q <= data_i;
  end

  `include "athena_assert.svh"
  `ATHENA_ASSERT(a_spare_behind_full, !spare_q || full_q)
`ifdef PROVE_SKID_BUFFER
  `include "formal/skid_buffer_properties.svh"
`endif
endmodule
