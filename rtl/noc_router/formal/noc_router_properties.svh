// Credits of virtual channel 0 of the east output: never below zero or above the neighbour's buffer, and
// a flit leaves only against a credit, whatever the traffic. The neighbour returns a credit only for a
// flit that it got; senders obey the credits of this router (watched on every input channel).
  `include "formal/reset.svh"
  localparam int unsigned East0 = noc_router_pkg::East * NumVcs;
  // Flits of that channel that left the switch and were not credited yet.
  logic [CreditBits-1:0] owed = '0;
  logic                  leaves;
  assign leaves = gen_out_vc_port[noc_router_pkg::East].gen_out_vc[0].spent;
  always @(posedge clk_i) begin
    if (!rst_ni) owed <= '0;
    else owed <= owed + leaves - credit_i[East0];
  end
  always @* if (rst_ni) assume (!credit_i[East0] || owed != '0);
  // Senders: free slots as they know them.
  for (genvar i = 0; i < Channels; i++) begin : gen_sender
    logic [CreditBits-1:0] free_q = Depth;
    logic                  sends;
    assign sends = in_valid_i[i/NumVcs] &&
                   (in_flit_i[(i/NumVcs)*FlitBits+noc_router_pkg::VcAt+:VcBits] == (i % NumVcs));
    always @(posedge clk_i) begin
      if (!rst_ni) free_q <= Depth;
      else free_q <= free_q - sends + credit_o[i];
    end
    always @* if (rst_ni) assume (!sends || free_q != '0);
  end
  always @(posedge clk_i) begin
    if (rst_ni) begin
      p_sum   : assert (gen_out_vc_port[noc_router_pkg::East].gen_out_vc[0].credit_q + owed == Depth);
      p_spend : assert (!leaves || gen_out_vc_port[noc_router_pkg::East].gen_out_vc[0].credit_q != '0);
    end
  end
