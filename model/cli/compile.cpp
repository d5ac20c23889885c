/// athena compile and disasm: programs as files.
#include "compiler/compile.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/run_flags.h"
#include "jobs/simulation/evaluate.h"
#include "program/check.h"
#include "program/encode.h"

namespace athena::cli {

void add_compile_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("compile", "Compile a workload to a program file");
  command->footer(
      "athena compile workloads/models/tiny-gpt2.yaml --on athena --phase decode -o out/p.bin");
  auto flags = std::make_shared<RunFlags>();
  auto out = std::make_shared<std::string>();
  flags->add_to(*command, false);
  command->add_option("-o,--out", *out, "program file to write")->required();
  run_with(*command, session, [&session, flags, out] {
    const jobs::PointSpec spec = flags->ours();
    const jobs::Machine machine = jobs::resolve_machine(spec);
    const jobs::Workload work = jobs::resolve_workload(spec, machine);
    if (work.graph.blocks.empty())
      throw InputError("compile takes prefill and decode; a training step is many programs.");
    const compiler::Compiled compiled = compiler::compile(work.graph, machine.chip, machine.stack,
                                                          {machine.chip_hash(), spec.functional});
    const std::vector<std::string> faults = program::check(compiled.program);
    if (!faults.empty())
      throw Contradiction("the compiled program fails its own check: " + faults.front());
    const std::string bytes = program::encode(compiled.program);
    write_file_atomically(*out, bytes);
    const std::string hash = content_hash(bytes);
    session.print(fmt::format("{}: {} kernels for '{}', {} of code, {} of memory, program {}\n",
                              *out, compiled.program.kernel_count(), compiled.program.chip,
                              binary(Bytes(static_cast<std::int64_t>(bytes.size()))),
                              binary(Bytes(compiled.program.memory_bytes)), hash));
    session.print_json({{"program", *out},
                        {"chip", compiled.program.chip},
                        {"kernels", compiled.program.kernel_count()},
                        {"bytes", bytes.size()},
                        {"memory_bytes", compiled.program.memory_bytes},
                        {"program_hash", hash}});
  });
}

}  // namespace athena::cli
