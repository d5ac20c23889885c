#pragma once
/// What a user may choose about a memory controller. The timing room's models act on it.
#include <string>
#include <utility>
#include <vector>

namespace athena::config {

enum class MemoryRefresh { kAllBank, kPerBank, kNone };
/// Open: a row stays open until another is wanted. Closed: it is precharged behind its last access
/// that waits.
enum class PagePolicy { kOpen, kClosed };
/// How a request may be preferred: `kRowHitFirst` never closes a row that an older request still
/// wants; `kFirstReady` takes whatever command is legal, oldest first.
enum class MemoryScheduler { kRowHitFirst, kFirstReady };

[[nodiscard]] std::vector<std::pair<MemoryRefresh, std::string>> enum_names(const MemoryRefresh*);
[[nodiscard]] std::vector<std::pair<PagePolicy, std::string>> enum_names(const PagePolicy*);
[[nodiscard]] std::vector<std::pair<MemoryScheduler, std::string>> enum_names(
    const MemoryScheduler*);

}  // namespace athena::config
