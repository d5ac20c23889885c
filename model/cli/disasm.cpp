/// athena disasm: the text form of a program file, and back with --assemble.
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/command.h"
#include "program/encode.h"
#include "program/text.h"

namespace athena::cli {

void add_disasm_command(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("disasm", "Show a program file as text, or assemble text to a program");
  command->footer("athena disasm out/p.bin | head -40");
  auto file = std::make_shared<std::string>();
  auto out = std::make_shared<std::string>();
  command->add_option("program", *file, "program file, or text with --assemble")->required();
  command->add_option("--assemble", *out, "read text and write this program file");
  run_with(*command, session, [&session, file, out] {
    const std::string content = read_file(*file);
    if (!out->empty()) {
      const program::Program program = program::assemble(content, *file);
      const std::string bytes = program::encode(program);
      write_file_atomically(*out, bytes);
      session.print_json({{"program", *out}, {"program_hash", content_hash(bytes)}});
      return;
    }
    const program::Program program = program::decode(content, *file);
    const std::string text = program::disassemble(program);
    session.print(text);
    session.print_json({{"chip", program.chip}, {"workload", program.workload}, {"text", text}});
  });
}

}  // namespace athena::cli
