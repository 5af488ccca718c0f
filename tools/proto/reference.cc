// The reference page of proto/, from the comments: a descriptor set with source information in, Markdown out.
//   reference --out FILE SET...   writes the page
//   reference --check SET...      lists what is not documented; exit 1 when there is something
// Checked: every service, rpc, message, enum has a comment; every field too; and a field of a message that somebody
// else fills in (a request and what it holds, a config, a policy) says whether it is required: its comment has the word
// Required, Optional, Default or "Must be".
#include <algorithm>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/unknown_field_set.h"

namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::ServiceDescriptor;

// The comments above and behind a declaration, as one line.
template <typename D>
std::string CommentOf(const D& declared) {
  google::protobuf::SourceLocation location;
  if (!declared.GetSourceLocation(&location)) return "";
  std::vector<std::string> lines;
  for (const std::string& part : {location.leading_comments, location.trailing_comments}) {
    for (absl::string_view line : absl::StrSplit(part, '\n', absl::SkipWhitespace()))
      lines.emplace_back(absl::StripAsciiWhitespace(line));
  }
  return absl::StrJoin(lines, " ");
}

// What stands above `syntax` in a file.
std::string HeadOf(const FileDescriptor& file) {
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  google::protobuf::SourceLocation location;
  if (!file.GetSourceLocation({google::protobuf::FileDescriptorProto::kSyntaxFieldNumber}, &location)) return "";
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(location.leading_comments, '\n', absl::SkipWhitespace()))
    lines.emplace_back(absl::StripAsciiWhitespace(line));
  return absl::StrJoin(lines, " ");
}

std::string Cell(const std::string& text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"<", "&lt;"}, {"\n", " "}});
}

std::string Anchor(absl::string_view name) { return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{".", ""}}); }

bool Ours(const FileDescriptor& file) { return absl::StartsWith(file.name(), "proto/"); }

std::string TypeOf(const FieldDescriptor& field) {
  if (field.is_map()) {
    const Descriptor& entry = *field.message_type();
    return absl::StrCat("map of ", TypeOf(*entry.field(0)), " to ", TypeOf(*entry.field(1)));
  }
  std::string type = field.type_name();
  if (field.message_type() != nullptr || field.enum_type() != nullptr) {
    const std::string name = field.message_type() ? field.message_type()->full_name() : field.enum_type()->full_name();
    const FileDescriptor& file = field.message_type() ? *field.message_type()->file() : *field.enum_type()->file();
    type = Ours(file) ? absl::StrCat("[", name, "](#", Anchor(name), ")") : name;
  }
  return absl::StrCat(field.is_repeated() ? "repeated " : "", type);
}

void WriteMessage(const Descriptor& message, std::ostream& out) {
  out << "\n### " << message.full_name() << "\n\n" << CommentOf(message) << "\n";
  if (message.field_count() == 0) {
    out << "\nNo fields.\n";
    return;
  }
  out << "\n| Nr | Field | Type | |\n|---|---|---|---|\n";
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const auto* oneof = field.real_containing_oneof();
    std::string comment = CommentOf(field);
    if (oneof != nullptr) comment = absl::StrCat("One of `", oneof->name(), "` (", CommentOf(*oneof), ") ", comment);
    out << "| " << field.number() << " | `" << field.name() << "` | " << TypeOf(field) << " | " << Cell(comment)
        << " |\n";
  }
  for (int i = 0; i < message.reserved_range_count(); ++i)
    out << "\nReserved: " << message.reserved_range(i)->start << " to " << message.reserved_range(i)->end - 1 << "\n";
}

void WriteEnum(const EnumDescriptor& values, std::ostream& out) {
  out << "\n### " << values.full_name() << "\n\n" << CommentOf(values) << "\n\n| Nr | Value | |\n|---|---|---|\n";
  for (int i = 0; i < values.value_count(); ++i) {
    const auto& value = *values.value(i);
    std::string comment = CommentOf(value);
    // DenyReason's sentences are an option, which this program does not know by name.
    const auto& options = value.options().unknown_fields();
    for (int f = 0; f < options.field_count(); ++f) {
      if (options.field(f).type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
        comment = absl::StrCat(comment, comment.empty() ? "" : " ", options.field(f).length_delimited());
    }
    out << "| " << value.number() << " | `" << value.name() << "` | " << Cell(comment) << " |\n";
  }
}

void WriteService(const ServiceDescriptor& service, std::ostream& out) {
  out << "\n### " << service.full_name() << "\n\n"
      << CommentOf(service) << "\n\n| RPC | Request | Response | |\n|---|---|---|---|\n";
  for (int i = 0; i < service.method_count(); ++i) {
    const auto& method = *service.method(i);
    const auto link = [](const Descriptor& m) {
      return absl::StrCat("[", m.name(), "](#", Anchor(m.full_name()), ")");
    };
    out << "| `" << method.name() << "` | " << link(*method.input_type()) << " | " << link(*method.output_type())
        << " | " << Cell(CommentOf(method)) << " |\n";
  }
}

void WritePage(const std::vector<const FileDescriptor*>& files, std::ostream& out) {
  out << "# Reference of the protocol and the config files\n\nMade from the comments in `proto/`. Rules of versions: "
         "`proto/README.md`.\n";
  for (const FileDescriptor* file : files) {
    out << "\n## " << file->name() << "\n\n" << HeadOf(*file) << "\n";
    for (int i = 0; i < file->service_count(); ++i) WriteService(*file->service(i), out);
    for (int i = 0; i < file->message_type_count(); ++i) WriteMessage(*file->message_type(i), out);
    for (int i = 0; i < file->enum_type_count(); ++i) WriteEnum(*file->enum_type(i), out);
  }
}

bool SaysWhetherRequired(const std::string& comment) {
  for (const char* word : {"Required", "required", "Optional", "optional", "Default", "default", "Must be"}) {
    if (absl::StrContains(comment, word)) return true;
  }
  return false;
}

void AddReachable(const Descriptor& message, std::set<const Descriptor*>& found) {
  if (!Ours(*message.file()) || !found.insert(&message).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->message_type() != nullptr) AddReachable(*message.field(i)->message_type(), found);
  }
}

// Messages that a caller or an operator fills in.
std::set<const Descriptor*> FilledInByOthers(const std::vector<const FileDescriptor*>& files) {
  std::set<const Descriptor*> found;
  for (const FileDescriptor* file : files) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m)
        AddReachable(*file->service(s)->method(m)->input_type(), found);
    }
    if (!absl::StrContains(file->package(), ".config.")) continue;
    for (int i = 0; i < file->message_type_count(); ++i) AddReachable(*file->message_type(i), found);
  }
  return found;
}

std::vector<std::string> Undocumented(const std::vector<const FileDescriptor*>& files) {
  std::vector<std::string> missing;
  const std::set<const Descriptor*> filled_in = FilledInByOthers(files);
  const auto demand = [&](const std::string& name, const std::string& comment) {
    if (comment.empty()) missing.push_back(absl::StrCat(name, ": no comment"));
  };
  for (const FileDescriptor* file : files) {
    demand(file->name(), HeadOf(*file));
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m)
        demand(file->service(s)->method(m)->full_name(), CommentOf(*file->service(s)->method(m)));
    }
    for (int i = 0; i < file->message_type_count(); ++i) {
      const Descriptor& message = *file->message_type(i);
      for (int f = 0; f < message.field_count(); ++f) {
        const FieldDescriptor& field = *message.field(f);
        const auto* oneof = field.real_containing_oneof();
        const std::string comment = CommentOf(field);
        if (oneof != nullptr) {
          demand(absl::StrCat(message.full_name(), ".", oneof->name()), CommentOf(*oneof));
        } else if (comment.empty()) {
          missing.push_back(absl::StrCat(field.full_name(), ": no comment"));
        } else if (filled_in.count(&message) != 0 && !SaysWhetherRequired(comment)) {
          missing.push_back(absl::StrCat(field.full_name(), ": does not say whether it is required"));
        }
      }
    }
  }
  return missing;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const bool check = !args.empty() && args[0] == "--check";
  const std::size_t first = check ? 1 : 2;
  if (args.size() <= first || (!check && args[0] != "--out")) {
    std::cerr << "usage: reference --out FILE SET... | reference --check SET...\n";
    return 2;
  }
  google::protobuf::DescriptorPool pool;
  std::set<std::string> names;
  for (std::size_t i = first; i < args.size(); ++i) {
    std::ifstream in(args[i], std::ios::binary);
    google::protobuf::FileDescriptorSet set;
    if (!set.ParseFromIstream(&in)) {
      std::cerr << args[i] << ": not a descriptor set\n";
      return 1;
    }
    for (const auto& file : set.file()) {
      if (pool.FindFileByName(file.name()) == nullptr && pool.BuildFile(file) == nullptr) {
        std::cerr << file.name() << ": does not build\n";
        return 1;
      }
      if (absl::StartsWith(file.name(), "proto/")) names.insert(file.name());
    }
  }
  std::vector<const FileDescriptor*> files;
  for (const std::string& name : names) files.push_back(pool.FindFileByName(name));
  if (check) {
    const std::vector<std::string> missing = Undocumented(files);
    for (const std::string& line : missing) std::cerr << line << "\n";
    return missing.empty() ? 0 : 1;
  }
  std::ofstream out(args[1]);
  WritePage(files, out);
  out.flush();
  return out.good() ? 0 : 1;
}
