// Shape of the softmax unit; the same numbers as in model/timing/softmax_step.h.
package vector_softmax_pkg;
  localparam int unsigned Lanes    = 4;
  localparam int unsigned MaxBeats = 64;  // longest row: Lanes * MaxBeats elements
endpackage
