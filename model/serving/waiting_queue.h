#pragma once
/// Requests that wait for admission: the most urgent priority first, first come first served
/// within one; whoever was pushed out goes back to the front.
#include <algorithm>
#include <deque>
#include <map>

#include "serving/sequence.h"

namespace athena::serving {

class WaitingQueue {
 public:
  void push_back(Sequence& s) {
    by_priority_[s.priority].push_back(&s);
    ++size_;
  }
  void push_front(Sequence& s) {
    by_priority_[s.priority].push_front(&s);
    ++size_;
  }
  /// The next to be admitted; not to be called when empty.
  [[nodiscard]] Sequence& front() const { return *by_priority_.begin()->second.front(); }
  void pop_front() {
    const auto first = by_priority_.begin();
    first->second.pop_front();
    if (first->second.empty()) by_priority_.erase(first);
    --size_;
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Earliest arrival among the heads of all priorities.
  [[nodiscard]] double oldest_arrival() const {
    double oldest = front().arrival;
    for (const auto& [priority, queue] : by_priority_) {
      oldest = std::min(oldest, queue.front()->arrival);
    }
    return oldest;
  }
  /// Calls `visit` with every waiting sequence.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& [priority, queue] : by_priority_) {
      for (const Sequence* s : queue) visit(*s);
    }
  }

 private:
  std::map<int, std::deque<Sequence*>> by_priority_;
  std::size_t size_ = 0;
};

}  // namespace athena::serving
