// Arithmetic of the softmax unit: 2^x by table and polynomial, 1/x by table and two Newton steps, both in
// integers, so that the model (model/numerics/softmax_math.h) gives the same bits.
package softmax_pkg;

  // Fixed-point steps drop low bits, and signs are known: unused bits of intermediate values are meant.
  // verilator lint_off UNUSEDSIGNAL

  localparam logic [31:0] NegInf = 32'hff80_0000;

  // 2^(i/32), unit 2^-24.
  function automatic logic [24:0] exp2_table(input logic [4:0] index);
    unique case (index)
      5'd0: exp2_table = 25'd16777216;
      5'd1: exp2_table = 25'd17144589;
      5'd2: exp2_table = 25'd17520007;
      5'd3: exp2_table = 25'd17903645;
      5'd4: exp2_table = 25'd18295684;
      5'd5: exp2_table = 25'd18696307;
      5'd6: exp2_table = 25'd19105703;
      5'd7: exp2_table = 25'd19524063;
      5'd8: exp2_table = 25'd19951585;
      5'd9: exp2_table = 25'd20388467;
      5'd10: exp2_table = 25'd20834917;
      5'd11: exp2_table = 25'd21291142;
      5'd12: exp2_table = 25'd21757357;
      5'd13: exp2_table = 25'd22233781;
      5'd14: exp2_table = 25'd22720638;
      5'd15: exp2_table = 25'd23218155;
      5'd16: exp2_table = 25'd23726566;
      5'd17: exp2_table = 25'd24246111;
      5'd18: exp2_table = 25'd24777031;
      5'd19: exp2_table = 25'd25319578;
      5'd20: exp2_table = 25'd25874004;
      5'd21: exp2_table = 25'd26440571;
      5'd22: exp2_table = 25'd27019544;
      5'd23: exp2_table = 25'd27611195;
      5'd24: exp2_table = 25'd28215802;
      5'd25: exp2_table = 25'd28833647;
      5'd26: exp2_table = 25'd29465022;
      5'd27: exp2_table = 25'd30110222;
      5'd28: exp2_table = 25'd30769550;
      5'd29: exp2_table = 25'd31443315;
      5'd30: exp2_table = 25'd32131834;
      5'd31: exp2_table = 25'd32835430;
    endcase
  endfunction

  // 1/(1 + (i + 1/2)/32), unit 2^-16.
  function automatic logic [15:0] recip_table(input logic [4:0] index);
    unique case (index)
      5'd0: recip_table = 16'd64528;
      5'd1: recip_table = 16'd62602;
      5'd2: recip_table = 16'd60787;
      5'd3: recip_table = 16'd59075;
      5'd4: recip_table = 16'd57456;
      5'd5: recip_table = 16'd55924;
      5'd6: recip_table = 16'd54471;
      5'd7: recip_table = 16'd53092;
      5'd8: recip_table = 16'd51782;
      5'd9: recip_table = 16'd50534;
      5'd10: recip_table = 16'd49345;
      5'd11: recip_table = 16'd48210;
      5'd12: recip_table = 16'd47127;
      5'd13: recip_table = 16'd46091;
      5'd14: recip_table = 16'd45100;
      5'd15: recip_table = 16'd44151;
      5'd16: recip_table = 16'd43240;
      5'd17: recip_table = 16'd42367;
      5'd18: recip_table = 16'd41528;
      5'd19: recip_table = 16'd40721;
      5'd20: recip_table = 16'd39946;
      5'd21: recip_table = 16'd39199;
      5'd22: recip_table = 16'd38480;
      5'd23: recip_table = 16'd37787;
      5'd24: recip_table = 16'd37118;
      5'd25: recip_table = 16'd36472;
      5'd26: recip_table = 16'd35849;
      5'd27: recip_table = 16'd35246;
      5'd28: recip_table = 16'd34664;
      5'd29: recip_table = 16'd34100;
      5'd30: recip_table = 16'd33554;
      5'd31: recip_table = 16'd33026;
    endcase
  endfunction

  // x - m where x <= m; an x of minus infinity (a masked element) stays so whatever m is.
  function automatic logic [31:0] difference(input logic [31:0] x, input logic [31:0] m);
    // verilator no_inline_task
    difference = (x == NegInf) ? NegInf : fp32_pkg::add(x, {~m[31], m[30:0]});
  endfunction

  // Argument of 2^-t for e^d, d <= 0: {too small to count, t in units of 2^-16}. t = |d| log2(e), floor.
  function automatic logic [24:0] exp_argument(input logic [31:0] d);
    // verilator no_inline_task
    logic [47:0] product;
    logic [7:0]  shift;
    product = {24'b0, 1'b1, d[22:0]} * 48'd12102203;  // log2(e), unit 2^-23
    shift   = 8'd157 - d[30:23];
    if (d[30:23] >= 8'd134) exp_argument = {1'b1, 24'b0};
    else if (shift > 8'd47) exp_argument = '0;
    else exp_argument = {1'b0, 24'(product >> shift)};
  endfunction

  // 2^-t as FP32.
  function automatic logic [31:0] exp_value(input logic [24:0] argument);
    // verilator no_inline_task
    logic [15:0] fraction, up;  // of t, and of the power that remains: 2^-t = 2^-whole * 2^up
    logic [8:0]  whole;
    logic [10:0] low;
    logic [26:0] linear;
    logic [35:0] square;
    logic [24:0] poly;
    logic [49:0] mantissa;
    fraction = argument[15:0];
    up       = -fraction;
    whole    = {1'b0, argument[23:16]} + {8'b0, fraction != '0};
    low      = up[10:0];
    // 1 + low ln2 + (low ln2)^2 / 2, unit 2^-24.
    linear   = {16'b0, low} * 27'd45426;
    square   = ({25'b0, low} * {25'b0, low}) * 36'd15743;
    poly     = 25'h100_0000 + {6'b0, linear[26:8]} + {13'b0, square[35:24]};
    mantissa = {25'b0, exp2_table(up[15:11])} * {25'b0, poly};
    if (argument[24] || (whole >= 9'd127)) exp_value = '0;
    else exp_value = {1'b0, 8'd127 - whole[7:0], mantissa[47:25]};
  endfunction

  // Newton's step for 1/m, m in [1, 2) with unit 2^-23: y (2 - m y). First step from the 16-bit guess.
  function automatic logic [24:0] recip_first(input logic [23:0] m);
    // verilator no_inline_task
    logic [39:0] product;
    logic [41:0] refined;
    logic [25:0] error;
    logic [15:0] guess;
    guess   = recip_table(m[22:18]);
    product = {16'b0, m} * {24'b0, guess};
    error   = 26'h200_0000 - {1'b0, product[39:15]};
    refined = {26'b0, guess} * {16'b0, error};
    recip_first = refined[40:16];
  endfunction

  function automatic logic [24:0] recip_second(input logic [23:0] m, input logic [24:0] y);
    // verilator no_inline_task
    logic [48:0] product;
    logic [50:0] refined;
    logic [25:0] error;
    product = {25'b0, m} * {24'b0, y};
    error   = 26'h200_0000 - product[48:23];
    refined = {26'b0, y} * {25'b0, error};
    recip_second = refined[48:24];
  endfunction

  // 1/s as FP32 from s and the refined 1/mantissa (unit 2^-24, nominally in (1/2, 1]); 0 for s = 0.
  function automatic logic [31:0] recip_pack(input logic [31:0] s, input logic [24:0] y);
    // verilator no_inline_task
    logic [8:0] exponent;
    exponent = 9'd254 - {1'b0, s[30:23]};
    if (s[30:0] > fp32_pkg::Inf) recip_pack = fp32_pkg::Nan;
    else if (s[30:23] == '0) recip_pack = '0;
    else if (y[24]) recip_pack = {1'b0, exponent[7:0], 23'b0};
    else if (!y[23]) recip_pack = {1'b0, exponent[7:0] - 8'd1, 23'b0};
    else recip_pack = {1'b0, exponent[7:0] - 8'd1, y[22:0]};
  endfunction

  // FP32 to BF16, to nearest even.
  function automatic logic [15:0] to_bf16(input logic [31:0] x);
    // verilator no_inline_task
    logic [16:0] up;
    up = {1'b0, x[31:16]} + {16'b0, x[15] & (x[16] | (x[14:0] != '0))};
    to_bf16 = (x[30:0] > fp32_pkg::Inf) ? 16'h7fc0 : up[15:0];
    if (up[16]) to_bf16 = 16'h7fc0;
  endfunction

  // verilator lint_on UNUSEDSIGNAL
endpackage
