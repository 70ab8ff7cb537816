// Builds the JSON document from parser events, and counts lines while the parser reads.
#include "lock/document.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>

#include "util/error.hpp"

namespace k8simg::lock_document {
namespace {

constexpr std::size_t max_depth = 8;  // a lock needs 5

/// The parser's position. Shared by pointer, because the parser copies the iterator.
struct Progress {
  int line = 1;
  char last = '\0';
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* position, Progress* progress) : position_(position), progress_(progress) {}
  reference operator*() const { return *position_; }
  CountingIterator& operator++() {
    progress_->last = *position_;
    if (*position_ == '\n') ++progress_->line;
    ++position_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return position_ == other.position_; }
  bool operator!=(const CountingIterator& other) const { return position_ != other.position_; }

 private:
  const char* position_;
  Progress* progress_;
};

class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(const std::string& name, const Progress& progress) : name_(name), progress_(progress) {}

  bool null() override { return add(make(Kind::Null)); }
  bool boolean(bool truth) override {
    Value value = make(Kind::Boolean);
    value.integer = truth ? 1 : 0;
    return add(std::move(value));
  }
  bool number_integer(number_integer_t) override { return add(make(Kind::Other, true)); }
  bool number_unsigned(number_unsigned_t number) override {
    Value value = make(Kind::Integer, true);
    value.integer = number;
    return add(std::move(value));
  }
  bool number_float(number_float_t, const string_t&) override { return add(make(Kind::Other, true)); }
  bool binary(binary_t&) override { return add(make(Kind::Other)); }
  bool string(string_t& text) override {
    Value value = make(Kind::String);
    value.text = std::move(text);
    return add(std::move(value));
  }
  bool start_object(std::size_t) override { return open(make(Kind::Object)); }
  bool start_array(std::size_t) override { return open(make(Kind::Array)); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& text) override {
    for (const auto& member : stack_.back().members)
      if (member.key == text) fail(progress_.line, fmt::format("the key \"{}\" occurs twice", text));
    keys_.back() = text;
    return true;
  }

  bool parse_error(std::size_t, const std::string& token, const nlohmann::detail::exception& error) override {
    // Keep only the cause from the parser's message; the token may contain arbitrary bytes.
    (void)token;
    std::string cause = error.what();
    if (auto at = cause.find("; last read"); at != std::string::npos) cause.resize(at);
    if (auto at = cause.find(" - "); at != std::string::npos) cause.erase(0, at + 3);
    fail(line_of_last(), fmt::format("this is not valid JSON ({})", cause));
  }

  Value take() { return std::move(root_); }

 private:
  [[noreturn]] void fail(int line, const std::string& what) const {
    throw Error(ErrorKind::Usage, fmt::format("{}:{}: {}", name_, line, what),
                "the lock is written by `k8simg lock`: restore it from version control or lock again");
  }
  // The parser has read one character after the end of the file or of a number.
  int line_of_last() const {
    return progress_.last == '\n' && progress_.line > 1 ? progress_.line - 1 : progress_.line;
  }
  Value make(Kind kind, bool number = false) const {
    Value value;
    value.kind = kind;
    value.line = number ? line_of_last() : progress_.line;
    return value;
  }
  bool add(Value value) {
    if (stack_.empty())
      root_ = std::move(value);
    else if (stack_.back().kind == Kind::Array)
      stack_.back().items.push_back(std::move(value));
    else
      stack_.back().members.push_back({keys_.back(), std::move(value)});
    return true;
  }
  bool open(Value value) {
    if (stack_.size() == max_depth) fail(value.line, "lists and objects are nested too deeply for a lock");
    stack_.push_back(std::move(value));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Value value = std::move(stack_.back());
    stack_.pop_back();
    keys_.pop_back();
    return add(std::move(value));
  }

  const std::string& name_;
  const Progress& progress_;
  Value root_;
  std::vector<Value> stack_;
  std::vector<std::string> keys_;
};

}  // namespace

const char* describe(Kind kind) {
  switch (kind) {
    case Kind::Null:
      return "null";
    case Kind::Boolean:
      return "true or false";
    case Kind::Integer:
      return "a whole number";
    case Kind::Other:
      return "another kind of number";
    case Kind::String:
      return "a string";
    case Kind::Array:
      return "a list";
    case Kind::Object:
      return "an object";
  }
  return "something else";
}

Value parse(std::string_view text, const std::string& name) {
  Progress progress;
  Builder builder(name, progress);
  CountingIterator begin(text.data(), &progress), end(text.data() + text.size(), &progress);
  nlohmann::json::sax_parse(begin, end, &builder);
  return builder.take();
}

}  // namespace k8simg::lock_document
