// Number formats of the array; the same encoding as athena::timing::ArrayFormat.
package systolic_array_pkg;
  localparam int unsigned FormatBf16 = 0;  // BF16 x BF16, FP32 sums
  localparam int unsigned FormatInt8 = 1;  // INT8 x INT8, INT32 sums
  localparam int unsigned FormatMx8  = 2;  // MXINT8 blocks: INT32 inside a fold, FP32 between folds

  // Tiles that can be between the weight port and the accumulators at once (MX scale banks).
  localparam int unsigned ScaleBanks = 8;
endpackage
