#include "jobs/store.h"

#include <fmt/format.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "jobs/sqlite.h"

namespace athena::jobs {
namespace {

using Json = nlohmann::ordered_json;

// Results above this size are worth the 20 us/KiB of deflate; small ones stay readable text.
constexpr std::size_t kCompressAbove = 4096;

const Database::Kind& store_kind() {
  static const Database::Kind kind = {
      "a store of points", 0x61745f70 /* "at_p" */, 1,
      "CREATE TABLE points (key TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, code INTEGER NOT NULL,"
      " error TEXT NOT NULL, result_size INTEGER NOT NULL, result BLOB, host_cpu_s REAL NOT NULL,"
      " host_max_rss INTEGER NOT NULL);"};
  return kind;
}

std::string deflate_text(const std::string& text) {
  uLongf size = compressBound(static_cast<uLong>(text.size()));
  std::string out(size, '\0');
  const int code =
      compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                reinterpret_cast<const Bytef*>(text.data()), static_cast<uLong>(text.size()), 1);
  if (code != Z_OK) throw MachineError("out of memory while compressing a result");
  out.resize(size);
  return out;
}

std::string inflate_text(const std::string& bytes, std::size_t size) {
  std::string out(size, '\0');
  uLongf got = static_cast<uLongf>(size);
  const int code =
      uncompress(reinterpret_cast<Bytef*>(out.data()), &got,
                 reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uLong>(bytes.size()));
  if (code != Z_OK || got != size) throw InputError("a stored result is damaged");
  return out;
}

constexpr const char* kColumns =
    "key, spec, code, error, result_size, result, host_cpu_s, host_max_rss";

StoredPoint read_row(const Statement& row) {
  StoredPoint point;
  point.key = row.text(0);
  point.spec = row.text(1);
  point.code = static_cast<ExitCode>(row.integer(2));
  point.error = row.text(3);
  point.result = row.text(5);
  if (row.is_blob(5)) {
    point.result = inflate_text(point.result, static_cast<std::size_t>(row.integer(4)));
  }
  point.host_cpu_s = row.real(6);
  point.host_max_rss = Bytes(row.integer(7));
  return point;
}

}  // namespace

class Store::Impl {
 public:
  explicit Impl(const std::filesystem::path& file) : database(file, store_kind()) {}

  Database database;
  Statement find{database, fmt::format("SELECT {} FROM points WHERE key = ?", kColumns)};
  // A lasting outcome is never overwritten: codes 4 and 5 are the ones that may change.
  Statement put{database, fmt::format("INSERT INTO points ({}) VALUES (?,?,?,?,?,?,?,?) "
                                      "ON CONFLICT(key) DO UPDATE SET spec=excluded.spec, "
                                      "code=excluded.code, error=excluded.error, "
                                      "result_size=excluded.result_size, result=excluded.result, "
                                      "host_cpu_s=excluded.host_cpu_s, "
                                      "host_max_rss=excluded.host_max_rss WHERE code IN (4, 5)",
                                      kColumns)};
};

Store::Store(const std::filesystem::path& file) : impl_(std::make_unique<Impl>(file)) {}
Store::~Store() = default;

std::optional<StoredPoint> Store::find(const std::string& key) {
  impl_->find.bind(0, key);
  std::optional<StoredPoint> found;
  if (impl_->find.step()) found = read_row(impl_->find);
  impl_->find.reset();
  return found;
}

void Store::put(std::span<const StoredPoint> points) {
  if (points.empty()) return;
  impl_->database.transaction([&] {
    Statement& put = impl_->put;
    for (const StoredPoint& point : points) {
      put.bind(0, point.key).bind(1, point.spec).bind(2, static_cast<std::int64_t>(point.code));
      put.bind(3, point.error).bind(4, static_cast<std::int64_t>(point.result.size()));
      if (point.result.size() > kCompressAbove) {
        put.bind_blob(5, deflate_text(point.result));
      } else {
        put.bind(5, point.result);
      }
      put.bind(6, point.host_cpu_s).bind(7, point.host_max_rss.value());
      put.run();
    }
  });
}

std::int64_t Store::size() {
  Statement count(impl_->database, "SELECT count(*) FROM points");
  return count.step() ? count.integer(0) : 0;
}

void Store::for_each(const std::function<void(const StoredPoint&)>& visit) {
  Statement rows(impl_->database, fmt::format("SELECT {} FROM points ORDER BY key", kColumns));
  while (rows.step()) visit(read_row(rows));
}

std::string to_line(const StoredPoint& point) {
  Json line{{"key", point.key},
            {"spec", point.spec},
            {"code", static_cast<int>(point.code)},
            {"error", point.error},
            {"result", point.result},
            {"host_cpu_s", point.host_cpu_s},
            {"host_max_rss", point.host_max_rss.value()}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

StoredPoint stored_point_from_line(const std::string& line) {
  try {
    const Json json = Json::parse(line);
    StoredPoint point;
    point.key = json.at("key").get<std::string>();
    point.spec = json.at("spec").get<std::string>();
    point.code = static_cast<ExitCode>(json.at("code").get<int>());
    point.error = json.at("error").get<std::string>();
    point.result = json.at("result").get<std::string>();
    point.host_cpu_s = json.at("host_cpu_s").get<double>();
    point.host_max_rss = Bytes(json.at("host_max_rss").get<std::int64_t>());
    return point;
  } catch (const Json::exception& error) {
    throw InputError(fmt::format("not a line of a result file: {}", error.what()));
  }
}

}  // namespace athena::jobs
