/// Structural check and unrolling of graphs.
#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "workload/graph.h"

namespace athena::workload {

namespace {

/// Elements that an op's shape says its first input and output hold; 0 where the shape leaves it
/// open (embedding tables, ops on columns).
struct Expected {
  std::int64_t input = 0;
  std::int64_t output = 0;
};

Expected expected(const Op& op) {
  if (op.kind == OpKind::kGemm && op.gemm().weights) {
    const GemmShape& g = op.gemm();
    // Groups that are not ragged may work on columns of a wider matrix (absorbed MLA).
    if (g.groups > 1 && g.group_rows.empty()) return {};
    return {g.total_rows() * g.k, g.total_rows() * g.n};
  }
  if (op.kind == OpKind::kActivation) {
    const std::int64_t n = op.rows().rows * op.rows().width;
    return {op.gated ? 2 * n : n, n};
  }
  if (op.kind == OpKind::kAdd) {
    const std::int64_t n = op.rows().rows * op.rows().width;
    return {n, n};
  }
  return {};
}

void check_op(const Graph& graph, const Block& block, const Op& op, std::set<TensorId>& made,
              std::vector<std::string>& findings) {
  const auto where = [&] { return fmt::format("block '{}', op '{}'", block.name, op.name); };
  const auto size = static_cast<TensorId>(graph.tensors.size());
  for (const auto* list : {&op.inputs, &op.outputs}) {
    for (const TensorId id : *list) {
      if (id >= 0 && id < size) continue;
      findings.push_back(fmt::format("{}: tensor {} does not exist", where(), id));
      return;
    }
  }
  for (const TensorId id : op.inputs) {
    const Role role = graph.tensor(id).role;
    const bool must_be_made = role == Role::kActivation || role == Role::kSaved;
    if (must_be_made && made.count(id) == 0) {
      findings.push_back(
          fmt::format("{}: reads '{}' before anything writes it", where(), graph.tensor(id).name));
    }
  }
  const Expected want = expected(op);
  const auto compare = [&](std::int64_t elements, const std::vector<TensorId>& list,
                           std::string_view what) {
    if (elements == 0 || list.empty()) return;
    const std::int64_t have = graph.tensor(list.front()).dims.elements();
    if (have < elements) {
      findings.push_back(fmt::format("{}: its shape takes {} elements of {} but '{}' has {}",
                                     where(), elements, what, graph.tensor(list.front()).name,
                                     have));
    }
  };
  compare(want.input, op.inputs, "input");
  compare(want.output, op.outputs, "output");
  made.insert(op.outputs.begin(), op.outputs.end());
}

}  // namespace

std::vector<std::string> check(const Graph& graph) {
  std::vector<std::string> findings;
  std::set<TensorId> made;
  std::set<std::string> names;
  for (const Tensor& t : graph.tensors) {
    if (!names.insert(t.name).second) {
      findings.push_back(fmt::format("two tensors are called '{}'", t.name));
    }
  }
  for (const Block& block : graph.blocks) {
    if (block.repeat < 1) {
      findings.push_back(fmt::format("block '{}' repeats {} times", block.name, block.repeat));
    }
    for (const Block::Carry& c : block.entry) {
      const bool exists = c.from >= 0 && c.from < static_cast<TensorId>(graph.tensors.size());
      if (!exists || (made.count(c.from) == 0 && graph.tensor(c.from).role != Role::kInput)) {
        findings.push_back(
            fmt::format("block '{}' is entered by a tensor nothing wrote", block.name));
      }
      made.insert(c.to);
    }
    for (const Op& op : block.ops) check_op(graph, block, op, made, findings);
  }
  return findings;
}

namespace {

/// Copies of a block's private tensors for one repetition.
class Renamer {
 public:
  Renamer(const Graph& from, Graph& to) : from_(from), to_(to) {}

  /// Tensor `id` of repetition `r` of a block that repeats `repeat` times.
  TensorId operator()(TensorId id, int r, int repeat) {
    const Tensor& t = from_.tensor(id);
    const bool per_repetition = t.copies > 1 && t.copies == repeat;
    const std::pair<TensorId, int> key{id, per_repetition ? r : 0};
    const auto found = names_.find(key);
    if (found != names_.end()) return found->second;
    Tensor copy = t;
    if (per_repetition) {
      copy.name = fmt::format("{}#{}", t.name, r);
      copy.copies = 1;
    }
    return names_[key] = to_.add(std::move(copy));
  }

 private:
  const Graph& from_;
  Graph& to_;
  std::map<std::pair<TensorId, int>, TensorId> names_;
};

}  // namespace

Graph unroll(const Graph& graph) {
  Graph out = graph;
  out.tensors.clear();
  out.blocks.clear();
  Renamer rename(graph, out);
  for (const Block& block : graph.blocks) {
    for (int r = 0; r < block.repeat; ++r) {
      Block one = block;
      one.repeat = 1;
      one.reverse = false;
      one.entry.clear();
      one.carried.clear();
      const int copy = block.reverse ? block.repeat - 1 - r : r;
      const int shift = copy * block.layers_per_repeat;
      one.first_layer = block.first_layer < 0 ? -1 : block.first_layer + shift;
      for (Op& op : one.ops) {
        if (op.layer >= 0) op.layer += shift;
        for (TensorId& id : op.inputs) id = rename(id, copy, block.repeat);
        for (TensorId& id : op.outputs) id = rename(id, copy, block.repeat);
      }
      // The value handed from repetition to repetition keeps both its names.
      const auto hand = [&](const Block::Carry& c, int from_copy) {
        one.entry.push_back(
            {rename(c.from, from_copy, block.repeat), rename(c.to, copy, block.repeat)});
      };
      if (r == 0) {
        for (const Block::Carry& c : block.entry) hand(c, copy);
      } else {
        for (const Block::Carry& c : block.carried) hand(c, block.reverse ? copy + 1 : copy - 1);
      }
      out.blocks.push_back(std::move(one));
    }
  }
  return out;
}

}  // namespace athena::workload
