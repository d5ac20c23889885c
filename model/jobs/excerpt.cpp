#include "jobs/excerpt.h"

#include <algorithm>

namespace athena::jobs {
namespace {
using Json = nlohmann::ordered_json;

void put_at(Json& json, std::string_view path, const Json& value) {
  Json* at = &json;
  for (;;) {
    const std::size_t dot = path.find('.');
    at = &(*at)[std::string(path.substr(0, dot))];
    if (dot == std::string_view::npos) break;
    path = path.substr(dot + 1);
  }
  *at = value;
}
}  // namespace

const Json* find_path(const Json& json, std::string_view path) {
  const Json* at = &json;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(path.substr(0, dot)));
    if (found == at->end()) return nullptr;
    at = &*found;
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return at;
}

Json excerpt_of(const Json& result, const std::vector<Alternatives>& wanted) {
  Json excerpt = Json::object();
  for (const Alternatives& paths : wanted) {
    const auto path = std::find_if(paths.begin(), paths.end(), [&](const std::string& one) {
      return find_path(result, one) != nullptr;
    });
    if (path == paths.end()) return result;
    put_at(excerpt, *path, *find_path(result, *path));
  }
  return excerpt;
}

}  // namespace athena::jobs
