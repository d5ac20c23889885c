// Shape of one HBM2E channel (a pair of pseudo-channels) and its row commands; the same numbers as in
// model/timing/hbm_scheduler_step.h.
package hbm_scheduler_pkg;
  localparam int unsigned RowBits = 14;
  localparam int unsigned ColBits = 5;   // 32 B columns of a 1 KB page
  localparam int unsigned IdBits  = 8;
  localparam int unsigned Banks   = 32;  // {pseudo-channel 1, bank group 2, bank 2}
  localparam int unsigned BankBits = 5;

  localparam logic [1:0] OpActivate     = 2'd0;
  localparam logic [1:0] OpPrecharge    = 2'd1;
  localparam logic [1:0] OpPrechargeAll = 2'd2;
  localparam logic [1:0] OpRefresh      = 2'd3;
endpackage
