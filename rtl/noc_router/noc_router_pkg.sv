// Ports and flit layout of the mesh router; the same numbers as in model/timing/router_step.h.
// Flit, from bit 0: payload 32 | dest_y 4 | dest_x 4 | vc 2 | tail 1 | head 1.
package noc_router_pkg;
  localparam int unsigned Ports    = 5;
  localparam int unsigned Local    = 0;
  localparam int unsigned North    = 1;  // towards larger y
  localparam int unsigned East     = 2;  // towards larger x
  localparam int unsigned South    = 3;
  localparam int unsigned West     = 4;
  localparam int unsigned Payload  = 32;
  localparam int unsigned CoordBits = 4;
  localparam int unsigned VcBits   = 2;
  localparam int unsigned YAt      = Payload;
  localparam int unsigned XAt      = YAt + CoordBits;
  localparam int unsigned VcAt     = XAt + CoordBits;
  localparam int unsigned TailAt   = VcAt + VcBits;
  localparam int unsigned HeadAt   = TailAt + 1;
  localparam int unsigned FlitBits = HeadAt + 1;
endpackage
