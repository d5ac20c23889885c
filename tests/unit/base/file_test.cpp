#include "base/file.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/error.h"

using namespace athena;
namespace fs = std::filesystem;

namespace {
struct Folder {
  fs::path path = fs::temp_directory_path() / ("athena_file_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() {
    std::error_code code;
    fs::remove_all(path, code);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};
}  // namespace

TEST_CASE("what is written is read back, and nothing else is left") {
  const Folder folder;
  const fs::path file = folder.path / "deep" / "er" / "x.bin";
  const std::string content("a\0b\nc", 5);
  write_file_atomically(file, content);
  CHECK(read_file(file) == content);
  write_file_atomically(file, "second");
  CHECK(read_file(file) == "second");
  CHECK(std::distance(fs::directory_iterator(file.parent_path()), fs::directory_iterator()) == 1);
}

TEST_CASE("a file that cannot be read is bad input, named") {
  const Folder folder;
  CHECK_THROWS_AS(read_file(folder.path / "none"), InputError);
  CHECK_THROWS_WITH(read_file(folder.path / "none"),
                    Catch::Matchers::Contains("none': No such file"));
  CHECK_THROWS_WITH(read_file(folder.path), Catch::Matchers::Contains("is a folder"));
}

TEST_CASE("a file that cannot be written is the machine's fault and leaves nothing") {
  const Folder folder;
  fs::create_directories(folder.path / "taken");
  CHECK_THROWS_AS(write_file_atomically(folder.path / "taken", "x"), MachineError);
  CHECK_THROWS_AS(write_file_atomically("/proc/none/x", "x"), MachineError);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
}
