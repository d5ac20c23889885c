/// athena config: explain, check, schema, reference, list.
#include "config/config.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "cli/command.h"
#include "cli/kinds.h"
#include "cli/output.h"
#include "config/publish.h"

namespace athena::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string document;
  std::vector<std::string> files;
  std::string kind;
  std::vector<std::string> sets;
  std::string out;
  bool assumed_only = false;
};

const config::Kind& chosen_kind(const Options& options, const std::string& document) {
  return options.kind.empty() ? config::kind_of(document_kinds(), document)
                              : config::find_kind(document_kinds(), options.kind);
}

/// Three lines for people: value and origin, what it is, why it is so.
std::string explained_text(const config::ExplainedKey& key) {
  constexpr std::size_t kOriginColumn = 48;
  std::string line = key.path + " = " + key.value;
  line += std::string(line.size() + 2 < kOriginColumn ? kOriginColumn - line.size() : 2, ' ');
  const std::string range = key.range.empty() ? "" : ", " + key.range;
  std::string out =
      fmt::format("{}{}\n    {} ({}{})\n", line, key.origin, key.doc, key.type, range);
  if (!key.source.empty()) out += "    source: " + key.source + "\n";
  if (!key.assumed.empty()) out += "    assumed: " + key.assumed + "\n";
  return out;
}

void explain(const Options& options, const Session& session) {
  const config::Kind& kind = chosen_kind(options, options.document);
  const config::Node document = config::resolve(options.document, kind.name, options.sets);
  config::check_document(kind, document);
  Json keys = Json::array();
  std::string text;
  for (const config::ExplainedKey& key : config::explain(*kind.schema, document)) {
    if (options.assumed_only && key.assumed.empty()) continue;
    keys.push_back({{"key", key.path},
                    {"value", key.value},
                    {"type", key.type},
                    {"range", key.range},
                    {"origin", key.origin},
                    {"source", key.source},
                    {"assumed", key.assumed},
                    {"doc", key.doc}});
    text += explained_text(key);
  }
  const std::string hash = content_hash(config::to_yaml(config::effective(*kind.schema, document)));
  session.print(text + fmt::format("\n{} {}: {} keys, hash {}\n", kind.schema->name(),
                                   options.document, keys.size(), hash));
  session.print_json({{"document", options.document},
                      {"kind", kind.name},
                      {"hash", hash},
                      {"keys", std::move(keys)}});
}

void check(const Options& options, const Session& session) {
  Json checked = Json::array();
  std::string text;
  for (const std::string& file : options.files) {
    const config::Kind& kind = chosen_kind(options, file);
    config::check_document(kind, config::resolve(file, kind.name, options.sets));
    checked.push_back({{"file", file}, {"kind", kind.name}, {"ok", true}});
    text += fmt::format("{}: ok ({})\n", file, kind.schema->name());
  }
  session.print(text);
  session.print_json({{"checked", std::move(checked)}});
}

void schema(const Options& options, const Session& session) {
  if (options.kind.empty()) {
    Json kinds = Json::object();
    Table table({"kind", "what it is"});
    for (const config::Kind& kind : document_kinds()) {
      kinds[kind.name] = kind.schema->doc();
      table.row({kind.name, kind.schema->doc()});
    }
    session.print(table.text());
    session.print_json({{"kinds", std::move(kinds)}});
    return;
  }
  const Json out = config::json_schema(*config::find_kind(document_kinds(), options.kind).schema);
  session.print(out.dump(2));
  session.print_json(out);
}

void reference(const Options& options, const Session& session) {
  const std::string page = config::reference_page(document_kinds());
  if (!options.out.empty()) write_file_atomically(options.out, page);
  if (options.out.empty()) session.print(page);
  session.print_json({{"page", page}});
}

void list(const Options& options, const Session& session) {
  Json kinds = Json::object();
  std::string text;
  for (const config::Kind& kind : document_kinds()) {
    if (!options.kind.empty() && kind.name != options.kind) continue;
    kinds[kind.name] = config::list_documents(kind.name);
    text += kind.name + ":\n";
    for (const std::string& name : config::list_documents(kind.name)) text += "  " + name + "\n";
  }
  if (!options.kind.empty()) (void)config::find_kind(document_kinds(), options.kind);
  session.print(text);
  session.print_json(kinds);
}

using Action = void (*)(const Options&, const Session&);

CLI::App& add(CLI::App& parent, Session& session, const std::shared_ptr<Options>& options,
              const char* name, const char* doc, Action action) {
  CLI::App& sub = *parent.add_subcommand(name, doc);
  run_with(sub, session, [options, &session, action] { action(*options, session); });
  return sub;
}

}  // namespace

void add_config_command(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand("config", "explain and check configuration files");
  command.require_subcommand(1);
  command.footer(
      "Examples:\n"
      "  athena config explain athena --set memory.stacks=6\n"
      "  athena config check configs/chips/*.yaml\n"
      "  athena config schema chips > chips.schema.json");
  const auto options = std::make_shared<Options>();
  const auto add_sets = [&](CLI::App& sub) {
    sub.add_option("--kind", options->kind,
                   "kind of document: chips, ... (`athena config schema`)");
    sub.add_option("--set", options->sets, "override one key: path=value (repeatable)")
        ->take_all()
        ->allow_extra_args(false);
  };
  CLI::App& explaining = add(command, session, options, "explain",
                             "every effective key: value, unit, origin, documentation", explain);
  explaining.add_option("document", options->document, "name or file")->required();
  explaining.add_flag("--assumed", options->assumed_only, "only values that nobody published");
  add_sets(explaining);
  CLI::App& checking =
      add(command, session, options, "check", "check files against their schema", check);
  checking.add_option("files", options->files, "files or names")->required();
  add_sets(checking);
  add(command, session, options, "schema", "JSON Schema of a kind, for editors", schema)
      .add_option("kind", options->kind, "kind of document; without it, the kinds are listed");
  add(command, session, options, "reference", "the reference page of every key (markdown)",
      reference)
      .add_option("--out", options->out, "write to this file");
  add(command, session, options, "list", "documents that ship with athena", list)
      .add_option("kind", options->kind, "only this kind");
}

}  // namespace athena::cli
