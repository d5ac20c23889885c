#pragma once
/// A thin, exception-throwing skin over SQLite's C interface, for the files that jobs and explore
/// keep. Not thread-safe; not to be used in a forked child.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace athena::jobs {

class Database;

/// A prepared statement. Parameters and columns count from 0.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind(int parameter, std::string_view text);
  Statement& bind_blob(int parameter, std::string_view bytes);
  Statement& bind_null(int parameter);

  /// Advances; true when a row is there.
  [[nodiscard]] bool step();
  /// Runs to the end and resets for the next use.
  void run();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] bool is_blob(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// An open database file in write-ahead mode.
class Database {
 public:
  /// What the file holds: SQLite's application id and our schema version are written into a new
  /// file and checked in an old one.
  struct Kind {
    std::string what;  ///< for sentences: "a store of points"
    std::int64_t application_id = 0;
    std::int64_t schema_version = 1;
    std::string create_sql;  ///< makes the tables in a new file
  };

  /// Opens or creates. Throws InputError (not this kind of file, newer schema), MachineError.
  Database(const std::filesystem::path& file, const Kind& kind);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  void execute(const std::string& sql);
  /// All of `body` or nothing of it.
  void transaction(const std::function<void()>& body);

 private:
  friend class Statement;
  /// Throws the error for an SQLite result code.
  [[noreturn]] void fail(int code) const;
  void check(int code) const;
  std::int64_t pragma(const std::string& name);
  void prepare(const Kind& kind);

  std::filesystem::path file_;
  sqlite3* handle_ = nullptr;
};

}  // namespace athena::jobs
