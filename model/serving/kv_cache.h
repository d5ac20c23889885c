#pragma once
/// The KV memory of one replica as pages, with reuse of prompt prefixes. Every page has exactly one
/// owner: the free list, a sequence, or the prefix index (which sequences then share by count).
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

namespace athena::serving {

using PageId = std::int32_t;

/// What one sequence holds: pages of its own, and blocks that the prefix index owns.
struct KvHolding {
  std::vector<PageId> pages;
  std::vector<std::uint64_t> shared;  ///< prefix blocks in use, from the start of the prompt
  std::int64_t shared_pages = 0;      ///< pages of those blocks
  [[nodiscard]] std::int64_t page_count() const {
    return static_cast<std::int64_t>(pages.size()) + shared_pages;
  }
};

/// What the index knows of a prompt's beginning.
struct PrefixMatch {
  std::int64_t blocks = 0;
  std::int64_t tokens = 0;  ///< that whole shared pages cover
};

/// Pages in use and how often prefixes were found.
struct KvStats {
  std::int64_t blocks_looked_up = 0;  ///< prompt blocks with a hash, at first admission
  std::int64_t blocks_found = 0;
  std::int64_t tokens_reused = 0;  ///< prompt tokens that needed no prefill
  std::int64_t pages_evicted = 0;  ///< of idle prefix blocks
  std::int64_t peak_pages = 0;     ///< most pages held by sequences at once
};

/// A paged cache. Page counts are exact: nothing is ever approximated by bytes.
class KvCache {
 public:
  /// `total_pages` 0 = no limit. `block_tokens` is what one prefix hash stands for; it must be a
  /// multiple of `page_tokens` when prefixes are kept.
  KvCache(std::int64_t total_pages, std::int64_t page_tokens, std::int64_t block_tokens,
          bool keep_prefixes);

  [[nodiscard]] std::int64_t page_tokens() const { return page_tokens_; }
  [[nodiscard]] std::int64_t total_pages() const { return total_pages_; }  ///< 0 = no limit
  [[nodiscard]] std::int64_t pages_for(std::int64_t tokens) const;
  /// Pages that an allocation may take now: free ones and those of idle prefix blocks.
  [[nodiscard]] std::int64_t available() const;
  /// Pages that sequences hold (shared ones counted once).
  [[nodiscard]] std::int64_t held() const { return held_; }
  [[nodiscard]] const KvStats& stats() const { return stats_; }

  /// Grows `holding` to room for `tokens` tokens. False, changing nothing, when pages are lacking.
  [[nodiscard]] bool grow(KvHolding& holding, std::int64_t tokens);
  /// Blocks at the start of `hashes` that the index holds now.
  [[nodiscard]] PrefixMatch match(const std::vector<std::uint64_t>& hashes) const;
  /// Makes an empty holding share the first `blocks` blocks.
  void share(KvHolding& holding, const std::vector<std::uint64_t>& hashes, std::int64_t blocks);
  /// Counts a look-up in the statistics (once per request).
  void count_lookup(std::int64_t blocks, std::int64_t found, std::int64_t tokens_reused);
  /// Gives the prompt's blocks that are computed and not yet known to the index over to it; the
  /// holding goes on sharing them.
  void publish(KvHolding& holding, const std::vector<std::uint64_t>& hashes,
               std::int64_t prompt_tokens);
  /// Takes everything back; shared blocks without another user stay until their pages are needed.
  void release(KvHolding& holding);

  /// Sentences about pages that are lost, owned twice, or miscounted, given everything that
  /// sequences hold. Empty when sound.
  [[nodiscard]] std::vector<std::string> audit(const std::vector<const KvHolding*>& holdings) const;

 private:
  struct Block {
    std::vector<PageId> pages;
    std::int64_t users = 0;
    std::list<std::uint64_t>::iterator idle;  ///< place in idle_ when users == 0
  };
  PageId take_page();
  void evict_one();
  void note_held(std::int64_t change);

  std::int64_t total_pages_;
  std::int64_t page_tokens_;
  std::int64_t block_tokens_;
  bool keep_prefixes_;
  std::vector<PageId> free_;  ///< given back; pages from fresh_ on were never used
  PageId fresh_ = 0;
  std::unordered_map<std::uint64_t, Block> blocks_;
  std::list<std::uint64_t> idle_;  ///< least recently used first
  std::int64_t idle_pages_ = 0;
  std::int64_t held_ = 0;
  KvStats stats_;
};

}  // namespace athena::serving
