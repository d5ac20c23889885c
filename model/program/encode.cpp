#include "program/encode.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"

namespace athena::program {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kHashDigits = 32;

Json to(const Affine& a) {
  if (a.terms.empty()) return a.base;
  Json list = Json::array({a.base});
  for (const Affine::Term& t : a.terms)
    list.push_back({static_cast<int>(t.var), t.scale, static_cast<int>(t.times)});
  return list;
}
void from(const Json& j, Affine& a) {
  if (j.is_number()) {
    a = Affine(j.get<std::int64_t>());
    return;
  }
  a = Affine(j.at(0).get<std::int64_t>());
  for (std::size_t i = 1; i < j.size(); ++i) {
    a.terms.push_back({static_cast<Var>(j[i].at(0).get<int>()), j[i].at(1).get<std::int64_t>(),
                       static_cast<Var>(j[i].at(2).get<int>())});
  }
}

Json to(const Count& c) {
  return Json::array({to(c.value), c.divisor, c.low, c.high, to(c.cap)});
}
void from(const Json& j, Count& c) {
  from(j.at(0), c.value);
  c.divisor = j.at(1).get<std::int64_t>();
  c.low = j.at(2).get<std::int64_t>();
  c.high = j.at(3).get<std::int64_t>();
  from(j.at(4), c.cap);
}

Json to(const Operand& o) {
  return Json::array({o.buffer, o.release, o.column});
}
void from(const Json& j, Operand& o) {
  o.buffer = j.at(0).get<int>();
  o.release = j.at(1).get<bool>();
  o.column = j.at(2).get<std::int64_t>();
}

Json to(const Window& w) {
  return Json::array({w.region, to(w.row), to(w.col), to(w.rows), to(w.bytes), w.gather});
}
void from(const Json& j, Window& w) {
  w.region = j.at(0).get<int>();
  from(j.at(1), w.row);
  from(j.at(2), w.col);
  from(j.at(3), w.rows);
  from(j.at(4), w.bytes);
  w.gather = j.at(5).get<int>();
}

Json to(const Instruction& i) {
  return Json::array({static_cast<int>(i.op),
                      to(i.window),
                      static_cast<int>(i.multicast),
                      i.semaphore,
                      i.count,
                      to(i.m),
                      to(i.n),
                      to(i.k),
                      i.row_factor,
                      to(i.a),
                      to(i.b),
                      to(i.c),
                      to(i.d),
                      i.transpose_a,
                      i.transpose_b,
                      to(i.fresh),
                      static_cast<int>(i.fn),
                      i.scalar,
                      to(i.position),
                      to(i.limit),
                      i.causal,
                      static_cast<int>(i.dtype),
                      static_cast<int>(i.loop),
                      i.fuse});
}
void from(const Json& j, Instruction& i) {
  i.op = static_cast<Opcode>(j.at(0).get<int>());
  from(j.at(1), i.window);
  i.multicast = static_cast<Multicast>(j.at(2).get<int>());
  i.semaphore = j.at(3).get<int>();
  i.count = j.at(4).get<std::int64_t>();
  from(j.at(5), i.m);
  from(j.at(6), i.n);
  from(j.at(7), i.k);
  i.row_factor = j.at(8).get<std::int64_t>();
  from(j.at(9), i.a);
  from(j.at(10), i.b);
  from(j.at(11), i.c);
  from(j.at(12), i.d);
  i.transpose_a = j.at(13).get<bool>();
  i.transpose_b = j.at(14).get<bool>();
  from(j.at(15), i.fresh);
  i.fn = static_cast<VectorFn>(j.at(16).get<int>());
  i.scalar = j.at(17).get<double>();
  from(j.at(18), i.position);
  from(j.at(19), i.limit);
  i.causal = j.at(20).get<bool>();
  i.dtype = static_cast<Dtype>(j.at(21).get<int>());
  i.loop = static_cast<Var>(j.at(22).get<int>());
  i.fuse = j.at(23).get<std::int64_t>();
}

Json to(const Kernel& k) {
  Json j;
  j["name"] = k.name;
  j["operators"] = k.operators;
  j["mapping"] = k.mapping;
  for (const Part& p : k.parts) j["parts"].push_back({p.dims, p.params});
  j["order"] = k.order.group;
  j["grid"] = {k.core_rows, k.core_cols, k.flat};
  j["footprint"] = {k.scratch_bytes, k.register_bytes, k.resident};
  for (const Buffer& b : k.buffers) {
    j["buffers"].push_back({b.name, b.offset, b.stage_bytes, b.stages, b.pitch,
                            static_cast<int>(b.dtype), b.in_registers});
  }
  for (const Semaphore& s : k.semaphores) j["semaphores"].push_back({s.name, s.initial});
  for (const auto& stream : k.streams) {
    Json list = Json::array();
    for (const Instruction& i : stream) list.push_back(to(i));
    j["streams"].push_back(list);
  }
  j["transfer"] = {k.transfer.kind, k.transfer.bytes, k.transfer.ranks, k.transfer.stride,
                   k.transfer.region};
  j["depends"] = k.depends;
  j["flops"] = k.flops;
  j["host_seconds"] = k.host_seconds;
  return j;
}

void from(const Json& j, Kernel& k) {
  j.at("name").get_to(k.name);
  j.at("operators").get_to(k.operators);
  j.at("mapping").get_to(k.mapping);
  for (const Json& p : j.value("parts", Json::array())) {
    Part part;
    p.at(0).get_to(part.dims);
    p.at(1).get_to(part.params);
    k.parts.push_back(part);
  }
  k.order.group = j.at("order").get<std::int64_t>();
  k.core_rows = j.at("grid").at(0).get<std::int64_t>();
  k.core_cols = j.at("grid").at(1).get<std::int64_t>();
  k.flat = j.at("grid").at(2).get<bool>();
  k.scratch_bytes = j.at("footprint").at(0).get<std::int64_t>();
  k.register_bytes = j.at("footprint").at(1).get<std::int64_t>();
  k.resident = j.at("footprint").at(2).get<std::int64_t>();
  for (const Json& b : j.value("buffers", Json::array())) {
    k.buffers.push_back({b.at(0).get<std::string>(), b.at(1).get<std::int64_t>(),
                         b.at(2).get<std::int64_t>(), b.at(3).get<std::int64_t>(),
                         b.at(4).get<std::int64_t>(), static_cast<Dtype>(b.at(5).get<int>()),
                         b.at(6).get<bool>()});
  }
  for (const Json& s : j.value("semaphores", Json::array())) {
    k.semaphores.push_back({s.at(0).get<std::string>(), s.at(1).get<std::int64_t>()});
  }
  for (std::size_t e = 0; e < kEngines; ++e) {
    for (const Json& i : j.at("streams").at(e)) {
      k.streams[e].emplace_back();
      from(i, k.streams[e].back());
    }
  }
  const Json& t = j.at("transfer");
  k.transfer = {t.at(0).get<std::string>(), t.at(1).get<std::int64_t>(), t.at(2).get<int>(),
                t.at(3).get<int>(), t.at(4).get<int>()};
  j.at("depends").get_to(k.depends);
  j.at("flops").get_to(k.flops);
  j.at("host_seconds").get_to(k.host_seconds);
}

Json to(const Region& r) {
  return Json::array({r.name, static_cast<int>(r.space), static_cast<int>(r.role),
                      static_cast<int>(r.dtype), r.address, r.rows, r.row_bytes, r.pitch,
                      r.repeat_stride, r.repeats, r.tiled});
}
void from(const Json& j, Region& r) {
  r.name = j.at(0).get<std::string>();
  r.space = static_cast<Space>(j.at(1).get<int>());
  r.role = static_cast<Role>(j.at(2).get<int>());
  r.dtype = static_cast<Dtype>(j.at(3).get<int>());
  r.address = j.at(4).get<std::int64_t>();
  r.rows = j.at(5).get<std::int64_t>();
  r.row_bytes = j.at(6).get<std::int64_t>();
  r.pitch = j.at(7).get<std::int64_t>();
  r.repeat_stride = j.at(8).get<std::int64_t>();
  r.repeats = j.at(9).get<std::int64_t>();
  r.tiled = j.at(10).get<bool>();
}

}  // namespace

std::string encode(const Program& program) {
  Json j;
  j["chip"] = program.chip;
  j["chip_hash"] = program.chip_hash;
  j["workload"] = program.workload;
  j["launch"] = program.launch;
  j["launch_value"] = program.launch_value;
  j["memory_bytes"] = program.memory_bytes;
  j["shared_bytes"] = program.shared_bytes;
  for (const Region& region : program.regions) j["regions"].push_back(to(region));
  for (const Block& block : program.blocks) {
    Json b;
    b["name"] = block.name;
    b["repeat"] = block.repeat;
    for (const Kernel& kernel : block.kernels) b["kernels"].push_back(to(kernel));
    j["blocks"].push_back(std::move(b));
  }
  const std::vector<std::uint8_t> body = Json::to_cbor(j);
  const std::string_view content(reinterpret_cast<const char*>(body.data()), body.size());
  return std::string(kMagic) + content_hash(content) + std::string(content);
}

Program decode(std::string_view bytes, const std::string& name) {
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    throw InputError(
        "'" + name +
        "' is not a compiled program; make one with 'athena compile MODEL --on CHIP -o FILE'.");
  }
  bytes.remove_prefix(kMagic.size());
  const std::string_view hash = bytes.substr(0, std::min(kHashDigits, bytes.size()));
  bytes.remove_prefix(hash.size());
  if (content_hash(bytes) != hash) {
    throw InputError(
        "the program '" + name +
        "' is truncated or damaged (its content does not match its hash); compile it again.");
  }
  const Json j = Json::from_cbor(bytes);
  Program program;
  j.at("chip").get_to(program.chip);
  j.at("chip_hash").get_to(program.chip_hash);
  j.at("workload").get_to(program.workload);
  j.at("launch").get_to(program.launch);
  j.at("launch_value").get_to(program.launch_value);
  j.at("memory_bytes").get_to(program.memory_bytes);
  j.at("shared_bytes").get_to(program.shared_bytes);
  for (const Json& r : j.value("regions", Json::array())) {
    program.regions.emplace_back();
    from(r, program.regions.back());
  }
  for (const Json& b : j.value("blocks", Json::array())) {
    Block block;
    b.at("name").get_to(block.name);
    b.at("repeat").get_to(block.repeat);
    for (const Json& k : b.value("kernels", Json::array())) {
      block.kernels.emplace_back();
      from(k, block.kernels.back());
    }
    program.blocks.push_back(std::move(block));
  }
  return program;
}

}  // namespace athena::program
