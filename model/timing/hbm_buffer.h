#pragma once
/// A list that only grows until it is emptied, in one piece of memory that is kept.
#include <cstddef>
#include <vector>

namespace athena::timing {

/// Plain values only. Appending is a comparison and a store.
template <class T>
class HbmBuffer {
 public:
  /// A further value, to be written in place: what is put together elsewhere and copied waits for
  /// its own stores.
  T& add() {
    if (size_ == items_.size()) items_.resize(size_ < 32 ? 64 : 2 * size_);
    return items_[size_++];
  }
  void clear() { size_ = 0; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const T* begin() const { return items_.data(); }
  [[nodiscard]] const T* end() const { return items_.data() + size_; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return items_[i]; }

 private:
  std::vector<T> items_;
  std::size_t size_ = 0;
};

}  // namespace athena::timing
