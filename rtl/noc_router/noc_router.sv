// Input-queued router of a 2D mesh: dimension-order (XY) routing, virtual channels, credits.
// Pipeline of a flit: arrive | VA | SA | ST | link, four cycles per hop as in BookSim's default router.
//
//  VA  each output VC is given to one waiting head flit (round robin over inputs). A packet stays in the
//      virtual channel it was injected in, so channels never wait for each other.
//  SA  each input offers one of its VCs that has a flit, an output VC and a credit (round robin), then
//      each output takes one input (round robin). With HoldPacket an output stays with a packet until
//      its tail (wormhole lock), and its input offers only that packet, as long as it moves: a packet
//      without a flit or a credit gives the switch up and asks again. Holding on would deadlock: a
//      stalled holder keeps its input port from other channels, whose packets own output channels
//      that XY order would otherwise free.
//  ST  the winner crosses into the output register.
module noc_router #(
  parameter int unsigned Depth      = 8,  // flits per VC at each input
  parameter bit          HoldPacket = 1'b0,
  parameter int unsigned NumVcs     = 1 << noc_router_pkg::VcBits,
  parameter int unsigned NumPorts   = noc_router_pkg::Ports,
  parameter int unsigned FlitBits   = noc_router_pkg::FlitBits
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic [noc_router_pkg::CoordBits-1:0] x_i,
  input  logic [noc_router_pkg::CoordBits-1:0] y_i,
  input  logic [NumPorts-1:0]                in_valid_i,
  input  logic [NumPorts*FlitBits-1:0]       in_flit_i,
  output logic [NumPorts*NumVcs-1:0]         credit_o,  // one slot of this input VC became free
  output logic [NumPorts-1:0]                out_valid_o,
  output logic [NumPorts*FlitBits-1:0]       out_flit_o,
  input  logic [NumPorts*NumVcs-1:0]         credit_i
);
  localparam int unsigned VcBits     = noc_router_pkg::VcBits;
  localparam int unsigned Channels   = NumPorts * NumVcs;

  // Per input VC.
  logic [Channels-1:0]          has_flit, has_out, pop;
  logic [Channels*NumPorts-1:0] route;   // one-hot output of the flit in front
  logic [Channels-1:0]          front_head, front_tail;
  logic [Channels*FlitBits-1:0] front;
  // Per output VC.
  logic [Channels-1:0]            out_taken_q, out_credit;
  logic [Channels*NumPorts-1:0]   va_request, va_grant;
  // Switch.
  logic [Channels-1:0]            sa_ready, sa_pick;
  logic [NumPorts*NumPorts-1:0]   sa_request, sa_grant;  // [output][input]
  logic [NumPorts-1:0]            sa_won;                // input wins its output

  for (genvar p = 0; p < NumPorts; p++) begin : gen_in
    logic [FlitBits-1:0] arriving;
    assign arriving = in_flit_i[p*FlitBits+:FlitBits];
    for (genvar v = 0; v < NumVcs; v++) begin : gen_vc
      localparam int unsigned Ch = p * NumVcs + v;
      logic                                 ready;
      logic                                 has_out_q;
      logic [NumPorts-1:0]                  grants;
      logic [NumPorts-1:0]                  route_front;
      logic [noc_router_pkg::CoordBits-1:0] dest_x, dest_y;
      fifo #(
        .Width(FlitBits),
        .Depth(Depth)
      ) u_queue (
        .clk_i  (clk_i),
        .rst_ni (rst_ni),
        .valid_i(in_valid_i[p] && (arriving[noc_router_pkg::VcAt+:VcBits] == VcBits'(v))),
        .ready_o(ready),
        .data_i (arriving),
        .valid_o(has_flit[Ch]),
        .ready_i(pop[Ch]),
        .data_o (front[Ch*FlitBits+:FlitBits])
      );
      assign dest_x = front[Ch*FlitBits+noc_router_pkg::XAt+:noc_router_pkg::CoordBits];
      assign dest_y = front[Ch*FlitBits+noc_router_pkg::YAt+:noc_router_pkg::CoordBits];
      assign front_head[Ch] = front[Ch*FlitBits+noc_router_pkg::HeadAt];
      assign front_tail[Ch] = front[Ch*FlitBits+noc_router_pkg::TailAt];
      always_comb begin
        route_front = '0;
        if (dest_x > x_i) route_front[noc_router_pkg::East] = 1'b1;
        else if (dest_x < x_i) route_front[noc_router_pkg::West] = 1'b1;
        else if (dest_y > y_i) route_front[noc_router_pkg::North] = 1'b1;
        else if (dest_y < y_i) route_front[noc_router_pkg::South] = 1'b1;
        else route_front[noc_router_pkg::Local] = 1'b1;
      end
      // Body flits carry no address of their own: the packet's route is kept from its head.
      logic [NumPorts-1:0] route_q;
      assign route[Ch*NumPorts+:NumPorts] = has_out_q ? route_q : route_front;
      assign has_out[Ch] = has_out_q;
      for (genvar o = 0; o < NumPorts; o++) begin : gen_request
        assign va_request[(o*NumVcs+v)*NumPorts+p] =
            has_flit[Ch] && front_head[Ch] && !has_out_q && route_front[o] &&
            !out_taken_q[o*NumVcs+v];
        assign grants[o] = va_grant[(o*NumVcs+v)*NumPorts+p];
      end
      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) has_out_q <= 1'b0;
        else if (grants != '0) has_out_q <= 1'b1;
        else if (pop[Ch] && front_tail[Ch]) has_out_q <= 1'b0;
      end
      always_ff @(posedge clk_i) begin
        if (grants != '0) route_q <= route_front;
      end
      `include "athena_assert.svh"
      // A sender that kept its credits never meets a full queue (checked in simulation).
      `ATHENA_ASSERT(a_credit_kept, ready || !in_valid_i[p] ||
                     (arriving[noc_router_pkg::VcAt+:VcBits] != VcBits'(v)))
    end
  end

  // ---- VA ---------------------------------------------------------------------------------------
  logic [Channels-1:0] va_valid, out_freed;
  for (genvar o = 0; o < NumPorts; o++) begin : gen_out_vc_port
    for (genvar v = 0; v < NumVcs; v++) begin : gen_out_vc
      localparam int unsigned Ch = o * NumVcs + v;
      logic spent;
      rr_arbiter #(
        .Num(NumPorts)
      ) u_va (
        .clk_i    (clk_i),
        .rst_ni   (rst_ni),
        .request_i(va_request[Ch*NumPorts+:NumPorts]),
        .accept_i (1'b1),
        .grant_o  (va_grant[Ch*NumPorts+:NumPorts]),
        .valid_o  (va_valid[Ch])
      );
      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) out_taken_q[Ch] <= 1'b0;
        else if (va_valid[Ch]) out_taken_q[Ch] <= 1'b1;
        else if (out_freed[Ch]) out_taken_q[Ch] <= 1'b0;
      end
      // A flit leaves for this output VC this cycle; a tail frees it.
      logic [NumPorts-1:0] leaving, leaving_tail;
      for (genvar p = 0; p < NumPorts; p++) begin : gen_leaving
        assign leaving[p] = pop[p*NumVcs+v] && route[(p*NumVcs+v)*NumPorts+o];
        assign leaving_tail[p] = leaving[p] && front_tail[p*NumVcs+v];
      end
      assign spent = leaving != '0;
      assign out_freed[Ch] = leaving_tail != '0;
      noc_credit #(
        .Depth(Depth)
      ) u_credit (
        .clk_i   (clk_i),
        .rst_ni  (rst_ni),
        .return_i(credit_i[Ch]),
        .spend_i (spent),
        .some_o  (out_credit[Ch])
      );
    end
  end

  // ---- SA ---------------------------------------------------------------------------------------
  logic [Channels-1:0] holds_q;         // input VC sent a flit last cycle and has more (HoldPacket)
  logic [Channels-1:0] holds_live;      // .. and can send now: its output is nobody else's
  logic [NumPorts-1:0] out_held;
  for (genvar o = 0; o < NumPorts; o++) begin : gen_held
    logic [Channels-1:0] holder;
    for (genvar c = 0; c < Channels; c++) begin : gen_holder
      assign holder[c] = holds_live[c] && route[c*NumPorts+o];
    end
    assign out_held[o] = holder != '0;
  end
  for (genvar p = 0; p < NumPorts; p++) begin : gen_sa_in
    logic [NumVcs-1:0] ready, locked, offer;
    logic              any;
    for (genvar v = 0; v < NumVcs; v++) begin : gen_ready
      localparam int unsigned Ch = p * NumVcs + v;
      logic [NumPorts-1:0] credit, usable;
      for (genvar o = 0; o < NumPorts; o++) begin : gen_usable
        assign credit[o] = route[Ch*NumPorts+o] && out_credit[o*NumVcs+v];
        assign usable[o] = credit[o] && !out_held[o];
      end
      assign holds_live[Ch] = holds_q[Ch] && has_flit[Ch] && (credit != '0);
      assign sa_ready[Ch] = has_flit[Ch] && has_out[Ch] && (usable != '0);
      assign ready[v]  = sa_ready[Ch];
      assign locked[v] = holds_live[Ch];
    end
    // An input that holds an output offers only the holder.
    assign offer = (locked != '0) ? locked : ready;
    rr_arbiter #(
      .Num(NumVcs)
    ) u_sa_in (
      .clk_i    (clk_i),
      .rst_ni   (rst_ni),
      .request_i(offer),
      .accept_i (sa_won[p]),
      .grant_o  (sa_pick[p*NumVcs+:NumVcs]),
      .valid_o  (any)
    );
    // Route of the picked VC.
    logic [NumPorts-1:0] picked_route;
    logic [NumPorts-1:0] won;
    always_comb begin
      picked_route = '0;
      for (int unsigned v = 0; v < NumVcs; v++) begin
        if (sa_pick[p*NumVcs+v]) picked_route = picked_route | route[(p*NumVcs+v)*NumPorts+:NumPorts];
      end
    end
    for (genvar o = 0; o < NumPorts; o++) begin : gen_offer
      assign sa_request[o*NumPorts+p] = any && picked_route[o];
      assign won[o] = sa_grant[o*NumPorts+p];
    end
    assign sa_won[p] = won != '0;
    assign pop[p*NumVcs+:NumVcs] = sa_won[p] ? sa_pick[p*NumVcs+:NumVcs] : '0;
  end

  for (genvar o = 0; o < NumPorts; o++) begin : gen_sa_out
    logic any;
    rr_arbiter #(
      .Num(NumPorts)
    ) u_sa_out (
      .clk_i    (clk_i),
      .rst_ni   (rst_ni),
      .request_i(sa_request[o*NumPorts+:NumPorts]),
      .accept_i (1'b1),
      .grant_o  (sa_grant[o*NumPorts+:NumPorts]),
      .valid_o  (any)
    );
    // ---- ST: winner into the switch register, then into the output register.
    logic [FlitBits-1:0] crossing, switch_q;
    logic                switch_valid_q;
    always_comb begin
      crossing = '0;
      for (int unsigned c = 0; c < Channels; c++) begin
        if (pop[c] && route[c*NumPorts+o]) crossing = crossing | front[c*FlitBits+:FlitBits];
      end
    end
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        switch_valid_q <= 1'b0;
        out_valid_o[o] <= 1'b0;
      end else begin
        switch_valid_q <= any;
        out_valid_o[o] <= switch_valid_q;
      end
    end
    always_ff @(posedge clk_i) begin
      if (any) switch_q <= crossing;
      if (switch_valid_q) out_flit_o[o*FlitBits+:FlitBits] <= switch_q;
    end
  end

  for (genvar c = 0; c < Channels; c++) begin : gen_channel
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        credit_o[c] <= 1'b0;
        holds_q[c]  <= 1'b0;
      end else begin
        credit_o[c] <= pop[c];
        holds_q[c]  <= HoldPacket && pop[c] && !front_tail[c];
      end
    end
  end
endmodule
