#include "serving/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/units.h"

namespace athena::serving {

KvCache::KvCache(std::int64_t total_pages, std::int64_t page_tokens, std::int64_t block_tokens,
                 bool keep_prefixes)
    : total_pages_(total_pages),
      page_tokens_(page_tokens),
      block_tokens_(block_tokens),
      keep_prefixes_(keep_prefixes) {
  if (page_tokens < 1 || total_pages < 0) throw InternalError("a KV cache needs pages of tokens.");
  if (total_pages > std::numeric_limits<PageId>::max()) {
    throw InputError(fmt::format("{} KV pages are too many; use larger pages.", total_pages));
  }
  if (keep_prefixes && block_tokens % page_tokens != 0) {
    throw InputError(fmt::format(
        "page_tokens {} does not divide the trace's hash blocks of {} tokens; prefixes cannot be "
        "shared page by page.",
        page_tokens, block_tokens));
  }
}

std::int64_t KvCache::pages_for(std::int64_t tokens) const {
  return ceil_div(tokens, page_tokens_);
}

std::int64_t KvCache::available() const {
  if (total_pages_ == 0) return std::numeric_limits<PageId>::max() - fresh_;
  return total_pages_ - fresh_ + static_cast<std::int64_t>(free_.size()) + idle_pages_;
}

void KvCache::note_held(std::int64_t change) {
  held_ += change;
  stats_.peak_pages = std::max(stats_.peak_pages, held_);
}

void KvCache::evict_one() {
  const auto block = blocks_.find(idle_.front());
  idle_.pop_front();
  free_.insert(free_.end(), block->second.pages.begin(), block->second.pages.end());
  const auto pages = static_cast<std::int64_t>(block->second.pages.size());
  idle_pages_ -= pages;
  stats_.pages_evicted += pages;
  blocks_.erase(block);
}

PageId KvCache::take_page() {
  while (true) {
    if (!free_.empty()) {
      const PageId page = free_.back();
      free_.pop_back();
      return page;
    }
    // An unlimited cache forgets nothing; a limited one prefers untouched pages to forgetting.
    if (total_pages_ == 0 || fresh_ < total_pages_) return fresh_++;
    evict_one();
  }
}

bool KvCache::grow(KvHolding& holding, std::int64_t tokens) {
  const std::int64_t missing = pages_for(tokens) - holding.page_count();
  if (missing <= 0) return true;
  if (missing > available()) return false;
  for (std::int64_t i = 0; i < missing; ++i) holding.pages.push_back(take_page());
  note_held(missing);
  return true;
}

PrefixMatch KvCache::match(const std::vector<std::uint64_t>& hashes) const {
  PrefixMatch found;
  if (!keep_prefixes_) return found;
  for (const std::uint64_t hash : hashes) {
    const auto block = blocks_.find(hash);
    if (block == blocks_.end()) break;
    ++found.blocks;
    found.tokens += static_cast<std::int64_t>(block->second.pages.size()) * page_tokens_;
  }
  return found;
}

void KvCache::share(KvHolding& holding, const std::vector<std::uint64_t>& hashes,
                    std::int64_t blocks) {
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::uint64_t hash = hashes[static_cast<std::size_t>(i)];
    Block& block = blocks_.at(hash);
    const auto pages = static_cast<std::int64_t>(block.pages.size());
    if (block.users++ == 0) {
      idle_.erase(block.idle);
      idle_pages_ -= pages;
      note_held(pages);
    }
    holding.shared.push_back(hash);
    holding.shared_pages += pages;
  }
}

void KvCache::count_lookup(std::int64_t blocks, std::int64_t found, std::int64_t tokens_reused) {
  stats_.blocks_looked_up += blocks;
  stats_.blocks_found += found;
  stats_.tokens_reused += tokens_reused;
}

void KvCache::publish(KvHolding& holding, const std::vector<std::uint64_t>& hashes,
                      std::int64_t prompt_tokens) {
  if (!keep_prefixes_) return;
  for (std::size_t i = holding.shared.size(); i < hashes.size(); ++i) {
    // Another sequence computed the same block meanwhile: ours stays private, and so does all that
    // follows it, because a holding shares a contiguous prefix.
    if (blocks_.contains(hashes[i])) return;
    const std::int64_t begin = static_cast<std::int64_t>(i) * block_tokens_;
    // Only whole pages can be shared: the next token would be written into a page begun.
    const std::int64_t pages = std::min(block_tokens_, prompt_tokens - begin) / page_tokens_;
    if (pages <= 0) return;
    Block block;
    block.users = 1;
    const auto last = holding.pages.end();
    block.pages.assign(last - pages, last);
    holding.pages.erase(last - pages, last);
    holding.shared.push_back(hashes[i]);
    holding.shared_pages += pages;
    blocks_.emplace(hashes[i], std::move(block));
  }
}

void KvCache::release(KvHolding& holding) {
  free_.insert(free_.end(), holding.pages.begin(), holding.pages.end());
  note_held(-static_cast<std::int64_t>(holding.pages.size()));
  // The end of a prefix goes first into the list of what may be forgotten: a block is of no use
  // once one before it is gone.
  for (auto hash = holding.shared.rbegin(); hash != holding.shared.rend(); ++hash) {
    Block& block = blocks_.at(*hash);
    if (--block.users > 0) continue;
    const auto pages = static_cast<std::int64_t>(block.pages.size());
    note_held(-pages);
    idle_pages_ += pages;
    block.idle = idle_.insert(idle_.end(), *hash);
  }
  holding = KvHolding{};
}

std::vector<std::string> KvCache::audit(const std::vector<const KvHolding*>& holdings) const {
  std::vector<std::string> problems;
  std::vector<int> owners(static_cast<std::size_t>(fresh_), 0);
  const auto own = [&](PageId page) {
    if (page < 0 || page >= fresh_) {
      problems.push_back(fmt::format("page {} was never given out.", page));
    } else {
      ++owners[static_cast<std::size_t>(page)];
    }
  };
  std::for_each(free_.begin(), free_.end(), own);
  std::unordered_map<std::uint64_t, std::int64_t> users;
  std::int64_t held = 0;
  for (const KvHolding* holding : holdings) {
    std::for_each(holding->pages.begin(), holding->pages.end(), own);
    held += static_cast<std::int64_t>(holding->pages.size());
    for (const std::uint64_t hash : holding->shared) ++users[hash];
  }
  std::int64_t idle = 0;
  for (const auto& [hash, block] : blocks_) {
    std::for_each(block.pages.begin(), block.pages.end(), own);
    const auto pages = static_cast<std::int64_t>(block.pages.size());
    (block.users > 0 ? held : idle) += pages;
    if (users[hash] != block.users) {
      problems.push_back(fmt::format("prefix block {} counts {} users but has {}.", hash,
                                     block.users, users[hash]));
    }
  }
  for (std::size_t page = 0; page < owners.size(); ++page) {
    if (owners[page] != 1) {
      problems.push_back(fmt::format("page {} has {} owners.", page, owners[page]));
    }
  }
  if (held != held_) problems.push_back(fmt::format("{} pages are held, {} counted.", held, held_));
  if (idle != idle_pages_) {
    problems.push_back(fmt::format("{} pages are idle, {} counted.", idle, idle_pages_));
  }
  if (total_pages_ > 0 && fresh_ > total_pages_) {
    problems.push_back(fmt::format("{} pages exist of {}.", fresh_, total_pages_));
  }
  return problems;
}

}  // namespace athena::serving
