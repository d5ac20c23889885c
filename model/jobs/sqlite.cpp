#include "jobs/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/error.h"

namespace athena::jobs {
namespace {
constexpr int kBusyTimeoutMs = 30000;  // another process of ours commits in milliseconds
}  // namespace

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  database_.check(sqlite3_prepare_v2(database_.handle_, sql.data(), static_cast<int>(sql.size()),
                                     &statement_, nullptr));
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  database_.check(sqlite3_bind_int64(statement_, parameter + 1, value));
  return *this;
}
Statement& Statement::bind(int parameter, double value) {
  database_.check(sqlite3_bind_double(statement_, parameter + 1, value));
  return *this;
}
Statement& Statement::bind(int parameter, std::string_view text) {
  database_.check(sqlite3_bind_text(statement_, parameter + 1, text.data(),
                                    static_cast<int>(text.size()), SQLITE_TRANSIENT));
  return *this;
}
Statement& Statement::bind_blob(int parameter, std::string_view bytes) {
  database_.check(sqlite3_bind_blob(statement_, parameter + 1, bytes.data(),
                                    static_cast<int>(bytes.size()), SQLITE_TRANSIENT));
  return *this;
}
Statement& Statement::bind_null(int parameter) {
  database_.check(sqlite3_bind_null(statement_, parameter + 1));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3_reset(statement_);
  database_.fail(code);
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

void Statement::reset() {
  sqlite3_reset(statement_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}
double Statement::real(int column) const {
  return sqlite3_column_double(statement_, column);
}
std::string Statement::text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr) return "";
  return std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}
bool Statement::is_blob(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_BLOB;
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Database::Database(const std::filesystem::path& file, const Kind& kind) : file_(file) {
  if (file.has_parent_path()) {
    std::error_code failure;
    std::filesystem::create_directories(file.parent_path(), failure);
    if (failure) {
      throw MachineError(fmt::format("cannot create the folder {}: {}", file.parent_path().string(),
                                     failure.message()));
    }
  }
  const int code =
      sqlite3_open_v2(file.c_str(), &handle_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  try {
    check(code);
    sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
    prepare(kind);
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

Database::~Database() {
  sqlite3_close_v2(handle_);
}

void Database::prepare(const Kind& kind) {
  const std::int64_t id = pragma("application_id");
  const std::int64_t version = pragma("user_version");
  Statement tables(*this, "SELECT count(*) FROM sqlite_master");
  const bool fresh = tables.step() && tables.integer(0) == 0;
  tables.reset();
  if (!fresh && id != kind.application_id) {
    throw InputError(fmt::format("{} is a database, but not {}", file_.string(), kind.what));
  }
  if (!fresh && version > kind.schema_version) {
    throw InputError(
        fmt::format("{} is {} of schema {}, written by a newer athena; this one reads up to {}",
                    file_.string(), kind.what, version, kind.schema_version));
  }
  execute("PRAGMA journal_mode=WAL");
  // NORMAL survives any killed process; a power cut may cost the last commits, never the file.
  execute("PRAGMA synchronous=NORMAL");
  // 16 MiB of log before it is folded in: pages of the index change with every commit.
  execute("PRAGMA wal_autocheckpoint=4096");
  if (!fresh) return;
  transaction([&] {
    Statement again(*this, "SELECT count(*) FROM sqlite_master");
    const bool still_fresh = again.step() && again.integer(0) == 0;
    again.reset();
    if (!still_fresh) return;  // another process was quicker
    execute(fmt::format("PRAGMA application_id={}; PRAGMA user_version={};", kind.application_id,
                        kind.schema_version));
    execute(kind.create_sql);
  });
}

void Database::execute(const std::string& sql) {
  check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr));
}

void Database::transaction(const std::function<void()>& body) {
  execute("BEGIN IMMEDIATE");
  try {
    body();
    execute("COMMIT");
  } catch (...) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

std::int64_t Database::pragma(const std::string& name) {
  Statement query(*this, "PRAGMA " + name);
  return query.step() ? query.integer(0) : 0;
}

void Database::check(int code) const {
  if (code != SQLITE_OK) fail(code);
}

void Database::fail(int code) const {
  const std::string why = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  switch (code & 0xff) {  // the primary code; the rest is detail
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw InputError(fmt::format("{} cannot be read: {}", file_.string(), why));
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
      throw InternalError(fmt::format("{}: {}", file_.string(), why));
    default:
      throw MachineError(fmt::format("cannot use {}: {}", file_.string(), why));
  }
}

}  // namespace athena::jobs
