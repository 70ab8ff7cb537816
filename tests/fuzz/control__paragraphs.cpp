// The control reader on arbitrary bytes: every view lies in the text, every paragraph reads back as itself.
#include <cstdint>
#include <cstdlib>

#include "control/paragraph.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto inside = [&](std::string_view view) {
    return view.data() >= text.data() && view.data() + view.size() <= text.data() + text.size();
  };
  ControlReader reader(text);
  ControlParagraph paragraph;
  for (;;) {
    const auto found = reader.next(paragraph);
    if (!found || !*found) break;
    if (paragraph.fields().empty() || !inside(paragraph.text())) std::abort();
    for (const ControlField& field : paragraph.fields())
      if (field.name.empty() || !inside(field.name) || !inside(field.value)) std::abort();
    const auto again = parse_control(paragraph.text());
    if (!again || again->fields().size() != paragraph.fields().size()) std::abort();
  }
  try {
    const auto file = parse_control_file(text, "package", "1");
    for (const ControlField& field : file.fields())
      if (line_of(text, field.value) < file.line()) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Fetch) std::abort();
  }
  return 0;
}
