// Floating-point arithmetic of every block, bit for bit the contract of model/numerics/array_math.h:
// round to nearest even, subnormal operands and results are zeros of their sign, NaN is 0x7fc00000.
// Written for both Verilator and yosys: functions assign to their name, no early exits.
// `no_inline_task` keeps one copy of each function in the Verilated code: arrays call it hundreds of times.
package fp32_pkg;

  localparam logic [31:0] Nan = 32'h7fc0_0000;
  localparam logic [30:0] Inf = 31'h7f80_0000;

  // Left shift that brings the top set bit of a 28-bit value to bit 26 (bit 27 is known to be clear).
  function automatic logic [4:0] lead27(input logic [26:0] value);
    logic [26:0] v;
    logic [4:0]  n;
    v = value;
    n = '0;
    if (v[26:11] == '0) begin
      n[4] = 1'b1;
      v = v << 16;
    end
    if (v[26:19] == '0) begin
      n[3] = 1'b1;
      v = v << 8;
    end
    if (v[26:23] == '0) begin
      n[2] = 1'b1;
      v = v << 4;
    end
    if (v[26:25] == '0) begin
      n[1] = 1'b1;
      v = v << 2;
    end
    if (!v[26]) n[0] = 1'b1;
    lead27 = n;
  endfunction

  // a + b. Three extra bits (guard, round, sticky) make one rounding exact.
  function automatic logic [31:0] add(input logic [31:0] a, input logic [31:0] b);
    // verilator no_inline_task
    logic        swap, sub, sticky, up, any_nan;
    logic [31:0] x, y;  // |x| >= |y|
    logic [23:0] mx, my;
    logic [7:0]  diff;
    logic [26:0] wide_y, far_y;
    logic [27:0] sum;
    logic [4:0]  shift;
    logic [26:0] norm;
    logic [24:0] rounded;
    logic [9:0]  exponent;  // biased, two's complement
    swap = b[30:0] > a[30:0];
    x = swap ? b : a;
    y = swap ? a : b;
    mx = (x[30:23] == '0) ? '0 : {1'b1, x[22:0]};
    my = (y[30:23] == '0) ? '0 : {1'b1, y[22:0]};
    diff = x[30:23] - y[30:23];
    wide_y = {my, 3'b000};
    if (diff > 8'd26) begin
      far_y  = '0;
      sticky = my != '0;
    end else begin
      far_y  = wide_y >> diff[4:0];
      sticky = (far_y << diff[4:0]) != wide_y;
    end
    far_y[0] = far_y[0] | sticky;
    sub = x[31] ^ y[31];
    sum = sub ? {1'b0, mx, 3'b000} - {1'b0, far_y} : {1'b0, mx, 3'b000} + {1'b0, far_y};
    shift = lead27(sum[26:0]);
    if (sum[27]) begin
      norm = {sum[27:2], sum[1] | sum[0]};
      exponent = {2'b00, x[30:23]} + 10'd1;
    end else begin
      norm = sum[26:0] << shift;
      exponent = {2'b00, x[30:23]} - {5'b0, shift};
    end
    up = norm[2] & (norm[3] | norm[1] | norm[0]);
    rounded = {1'b0, norm[26:3]} + {24'b0, up};
    if (rounded[24]) exponent = exponent + 10'd1;
    any_nan = (x[30:0] > Inf) | (y[30:0] > Inf) | ((y[30:0] == Inf) & sub);
    if (any_nan) begin
      add = Nan;
    end else if (x[30:23] == 8'hff) begin
      add = {x[31], Inf};
    end else if (sum == '0) begin
      add = {x[31] & y[31], 31'b0};
    end else if (exponent[9] | (exponent == '0)) begin
      add = {x[31], 31'b0};
    end else if (exponent >= 10'd255) begin
      add = {x[31], Inf};
    end else begin
      add = {x[31], exponent[7:0], rounded[24] ? rounded[23:1] : rounded[22:0]};
    end
  endfunction

  // BF16 x BF16, exact in FP32 but for the flush of what falls below the normal range.
  function automatic logic [31:0] mul_bf16(input logic [15:0] a, input logic [15:0] b);
    // verilator no_inline_task
    logic        sign, zero, inf, nan;
    logic [15:0] product;
    logic [9:0]  exponent;
    sign = a[15] ^ b[15];
    zero = (a[14:7] == '0) | (b[14:7] == '0);
    inf = (a[14:7] == 8'hff) | (b[14:7] == 8'hff);
    nan = ((a[14:7] == 8'hff) & (a[6:0] != '0)) | ((b[14:7] == 8'hff) & (b[6:0] != '0)) |
          (inf & zero);
    product = {8'b0, 1'b1, a[6:0]} * {8'b0, 1'b1, b[6:0]};
    exponent = {2'b00, a[14:7]} + {2'b00, b[14:7]} - 10'd127 + {9'b0, product[15]};
    if (nan) begin
      mul_bf16 = Nan;
    end else if (inf) begin
      mul_bf16 = {sign, Inf};
    end else if (zero | exponent[9] | (exponent == '0)) begin
      mul_bf16 = {sign, 31'b0};
    end else if (exponent >= 10'd255) begin
      mul_bf16 = {sign, Inf};
    end else begin
      mul_bf16 = {sign, exponent[7:0], product[15] ? {product[14:0], 8'b0} : {product[13:0], 9'b0}};
    end
  endfunction

  // a * b rounded once; a result below the normal range before rounding is flushed.
  function automatic logic [31:0] mul(input logic [31:0] a, input logic [31:0] b);
    // verilator no_inline_task
    logic        sign, zero, inf, nan, up;
    logic [47:0] product, norm;
    logic [24:0] rounded;
    logic [9:0]  exponent;
    sign = a[31] ^ b[31];
    zero = (a[30:23] == '0) | (b[30:23] == '0);
    inf = (a[30:23] == 8'hff) | (b[30:23] == 8'hff);
    nan = (a[30:0] > Inf) | (b[30:0] > Inf) | (inf & zero);
    product = {24'b0, 1'b1, a[22:0]} * {24'b0, 1'b1, b[22:0]};
    norm = product[47] ? product : product << 1;
    exponent = {2'b00, a[30:23]} + {2'b00, b[30:23]} - 10'd127 + {9'b0, product[47]};
    up = norm[23] & (norm[24] | (norm[22:0] != '0));
    rounded = {1'b0, norm[47:24]} + {24'b0, up};
    if (nan) begin
      mul = Nan;
    end else if (inf) begin
      mul = {sign, Inf};
    end else if (zero | exponent[9] | (exponent == '0)) begin
      mul = {sign, 31'b0};
    end else if (exponent + {9'b0, rounded[24]} >= 10'd255) begin
      mul = {sign, Inf};
    end else if (rounded[24]) begin
      mul = {sign, exponent[7:0] + 8'd1, rounded[23:1]};
    end else begin
      mul = {sign, exponent[7:0], rounded[22:0]};
    end
  endfunction

  // Sum of MXINT8 products under two E8M0 scales: sum * 2^(sa + sb - 254 - 12). |sum| < 2^24.
  // Exact, so the low bits of the normalised magnitude are empty.
  // verilator lint_off UNUSEDSIGNAL
  function automatic logic [31:0] scale_mx(input logic [31:0] sum, input logic [7:0] sa,
                                           input logic [7:0] sb);
    // verilator no_inline_task
    logic [26:0] magnitude, norm;
    logic [4:0]  shift;
    logic [10:0] exponent;
    magnitude = sum[31] ? {-sum[23:0], 3'b000} : {sum[23:0], 3'b000};
    shift = lead27(magnitude);
    norm = magnitude << shift;
    // The top bit of a 24-bit integer weighs 2^23; bias 127 and the weights of scales and elements.
    exponent = {3'b0, sa} + {3'b0, sb} - 11'd254 - 11'd12 + 11'd127 + 11'd23 - {6'b0, shift};
    if ((sa == 8'hff) | (sb == 8'hff)) begin
      scale_mx = Nan;
    end else if (magnitude == '0) begin
      scale_mx = '0;
    end else if (exponent[10] | (exponent == '0)) begin
      scale_mx = {sum[31], 31'b0};
    end else if (exponent >= 11'd255) begin
      scale_mx = {sum[31], Inf};
    end else begin
      scale_mx = {sum[31], exponent[7:0], norm[25:3]};
    end
  endfunction
  // verilator lint_on UNUSEDSIGNAL

endpackage
