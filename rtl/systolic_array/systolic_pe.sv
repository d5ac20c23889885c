// One element: Depth products a cycle added to the partial sum from above.
//
// Weights come down a pass-through chain with a row tag that is counted down at each hop; the element
// whose tag is zero captures them into one of two banks, so loading one bank never disturbs the other.
// Operands carry the bank they belong to. Stages: products | tree (Depth > 1 only) | sum.
// Not in waveforms: the grid in systolic_array.sv shows every element's operands, weights and sums.
// verilator tracing_off
module systolic_pe #(
  parameter int unsigned Format  = 0,
  parameter int unsigned Depth   = 1,
  parameter int unsigned PsumHop = 1,
  parameter int unsigned TagBits = 4,
  parameter int unsigned VecBits = ((Format == 0) ? 16 : 8) * Depth
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               en_i,
  // Operands, from the left to the right.
  input  logic               act_valid_i,
  input  logic               act_bank_i,
  input  logic [VecBits-1:0] act_i,
  output logic               act_valid_o,
  output logic               act_bank_o,
  output logic [VecBits-1:0] act_o,
  // Weights, from the top to the bottom.
  input  logic               wt_valid_i,
  input  logic               wt_bank_i,
  input  logic [TagBits-1:0] wt_tag_i,
  input  logic [VecBits-1:0] wt_i,
  output logic               wt_valid_o,
  output logic               wt_bank_o,
  output logic [TagBits-1:0] wt_tag_o,
  output logic [VecBits-1:0] wt_o,
  // Partial sums, from the top to the bottom.
  input  logic [31:0]        psum_i,
  output logic [31:0]        psum_o
);
  localparam int unsigned ElemBits = (Format == 0) ? 16 : 8;

  logic [VecBits-1:0] bank0_q, bank1_q, weight;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      act_valid_o <= 1'b0;
      wt_valid_o  <= 1'b0;
    end else if (en_i) begin
      act_valid_o <= act_valid_i;
      wt_valid_o  <= wt_valid_i & (wt_tag_i != '0);
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (act_valid_i) begin
        act_o      <= act_i;
        act_bank_o <= act_bank_i;
      end
      if (wt_valid_i) begin
        wt_o      <= wt_i;
        wt_bank_o <= wt_bank_i;
        wt_tag_o  <= wt_tag_i - 1'b1;
        if ((wt_tag_i == '0) && !wt_bank_i) bank0_q <= wt_i;
        if ((wt_tag_i == '0) && wt_bank_i) bank1_q <= wt_i;
      end
    end
  end

  assign weight = act_bank_i ? bank1_q : bank0_q;

  // Products.
  logic [32*Depth-1:0] product_q;
  logic                product_valid_q;
  for (genvar d = 0; d < Depth; d++) begin : gen_product
    logic [ElemBits-1:0] x, w;
    logic [31:0]         product_d;
    assign x = act_i[d*ElemBits+:ElemBits];
    assign w = weight[d*ElemBits+:ElemBits];
    if (Format == systolic_array_pkg::FormatBf16) begin : gen_bf16
      assign product_d = fp32_pkg::mul_bf16(x, w);
    end else begin : gen_int8
      logic signed [15:0] wide;
      assign wide = $signed({{8{x[ElemBits-1]}}, x}) * $signed({{8{w[ElemBits-1]}}, w});
      assign product_d = {{16{wide[15]}}, wide};
    end
    always_ff @(posedge clk_i) begin
      if (en_i && act_valid_i) product_q[d*32+:32] <= product_d;
    end
  end
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) product_valid_q <= 1'b0;
    else if (en_i) product_valid_q <= act_valid_i;
  end

  // Balanced tree over the next power of two, +0 in the empty places.
  logic [31:0] addend;
  logic        addend_valid;
  if (Depth == 1) begin : gen_no_tree
    assign addend = product_q;
    assign addend_valid = product_valid_q;
  end else begin : gen_tree
    localparam int unsigned Leaves = 1 << $clog2(Depth);
    // node[i] has children 2i and 2i + 1; leaves are Leaves .. 2 * Leaves - 1, the root is 1.
    for (genvar i = 2 * Leaves - 1; i >= 1; i--) begin : gen_node
      logic [31:0] sum;
      if (i >= Leaves + Depth) begin : gen_empty
        assign sum = '0;
      end else if (i >= Leaves) begin : gen_leaf
        assign sum = product_q[(i-Leaves)*32+:32];
      end else if (Format == systolic_array_pkg::FormatBf16) begin : gen_fp
        assign sum = fp32_pkg::add(gen_node[2*i].sum, gen_node[2*i+1].sum);
      end else begin : gen_int
        assign sum = gen_node[2*i].sum + gen_node[2*i+1].sum;
      end
    end
    logic [31:0] tree_q;
    logic        tree_valid_q;
    always_ff @(posedge clk_i) begin
      if (en_i && product_valid_q) tree_q <= gen_node[1].sum;
    end
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) tree_valid_q <= 1'b0;
      else if (en_i) tree_valid_q <= product_valid_q;
    end
    assign addend = tree_q;
    assign addend_valid = tree_valid_q;
  end

  // Partial sum.
  logic [31:0] psum_d, psum_q;
  if (Format == systolic_array_pkg::FormatBf16) begin : gen_add_fp
    assign psum_d = fp32_pkg::add(psum_i, addend);
  end else begin : gen_add_int
    assign psum_d = psum_i + addend;
  end
  always_ff @(posedge clk_i) begin
    if (en_i && addend_valid) psum_q <= psum_d;
  end
  delay_line #(
    .Width (32),
    .Stages(PsumHop - 1)
  ) u_hop (
    .clk_i (clk_i),
    .en_i  (en_i),
    .data_i(psum_q),
    .data_o(psum_o)
  );
endmodule
// verilator tracing_on
