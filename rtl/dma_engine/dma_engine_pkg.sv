// Field widths of a descriptor; the same numbers as in model/timing/dma_step.h.
package dma_engine_pkg;
  localparam int unsigned AddrBits  = 32;  // in beats
  localparam int unsigned CountBits = 12;  // repetitions per dimension, 1 .. 4095
  localparam int unsigned SemBits   = 4;
endpackage
