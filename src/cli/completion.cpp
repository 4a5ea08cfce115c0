// sealmq completion: for shells, what can be typed next.
#include "cli/completion.h"

#include <algorithm>
#include <iostream>

#include "cli/help.h"
#include "sealmq/scheme.h"

namespace sealmq::cli {
namespace {

constexpr const char* bash_script =
    R"(# bash completion of sealmq. Source it, or put it into ~/.local/share/bash-completion/completions/sealmq
_sealmq() {
  local word=${COMP_WORDS[COMP_CWORD]} line
  [ "$word" = = ] && word=
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
      :folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done < <("$1" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _sealmq sealmq
)";

constexpr const char* zsh_script = R"(#compdef sealmq
# zsh completion of sealmq. Put it as _sealmq into a folder of $fpath, or source it after compinit
_sealmq() {
  local line
  local -a found
  for line in "${(@f)$(${(Q)words[1]} complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :files) _files ;;
      :folders) _files -/ ;;
      *$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
      ?*) found+=("${line//:/\\:}") ;;
    esac
  done
  (( $#found )) && _describe sealmq found
}
if [ "$funcstack[1]" = _sealmq ]; then _sealmq "$@"; else compdef _sealmq sealmq; fi
)";

constexpr const char* fish_script = R"(# fish completion of sealmq. Put it into ~/.config/fish/completions/sealmq.fish
function __sealmq_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    for line in ($words[1] complete -- $words[2..-1] "$word" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$word"
            case :folders
                __fish_complete_directories "$word"
            case '*'
                echo $line
        end
    end
end
complete -c sealmq -f -a '(__sealmq_complete)'
)";

struct Shell {
  std::string_view name;
  const char* script;
};
constexpr Shell shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

/// Lines for those of the candidates that begin with what is there.
class Candidates {
 public:
  explicit Candidates(std::string_view begun) : begun_(begun) {}
  void add(std::string_view candidate, std::string_view description) {
    if (!candidate.starts_with(begun_)) return;
    // One line of a list; the rest is in the help.
    const std::string_view first = description.substr(0, std::min(description.find_first_of(":;,"), std::size_t{60}));
    lines_.append(candidate).append(first.empty() ? "" : "\t").append(first).append("\n");
  }
  /// Of an option whose value is called so.
  void add_values(const std::string& value) {
    const auto is_file = [&](std::string_view ending) { return value.ends_with(ending); };
    if (value == "FILE" || is_file(".key") || is_file(".pub"))
      lines_ += ":files\n";
    else if (value == "DIR")
      lines_ += ":folders\n";
    else if (value == "SCHEME")
      for (const Scheme& scheme : all_schemes()) add(scheme.info->name, scheme.info->title);
    else if (value.find('|') != value.npos && !std::ranges::any_of(value, [](char c) { return c >= 'A' && c <= 'Z'; }))
      for (std::size_t at = 0; at <= value.size();) {
        const std::size_t end = std::min(value.find('|', at), value.size());
        add(std::string_view(value).substr(at, end - at), "");
        at = end + 1;
      }
  }
  const std::string& lines() const { return lines_; }

 private:
  std::string_view begun_;
  std::string lines_;
};

const OptionText* find(const std::vector<OptionText>& options, const std::string& name) {
  const auto found = std::ranges::find_if(
      options, [&](const OptionText& option) { return std::ranges::find(option.names, name) != option.names.end(); });
  return found == options.end() ? nullptr : &*found;
}

void add_commands(const Command& command, Candidates& candidates) {
  for (const Command* sub : command.commands())
    if (!sub->is_hidden()) candidates.add(sub->word(), sub->about().summary);
}

/// bash takes `--name=value` apart.
std::vector<std::string> without_equals_signs(std::span<const std::string> words) {
  std::vector<std::string> all;
  for (const std::string& word : words)
    if (word != "=" || all.empty() || !all.back().starts_with("--")) all.push_back(word);
  if (!words.empty() && words.back() == "=") all.emplace_back();
  return all;
}

}  // namespace

std::string completions(const Command& app, std::span<const std::string> given) {
  auto words = without_equals_signs(given);
  if (words.empty()) words.emplace_back();
  std::string word = words.back();
  words.pop_back();

  const Command* command = &app;
  std::size_t at = 0;
  const bool asks_for_help = !words.empty() && words.front() == "help";
  for (at = asks_for_help ? 1 : 0; at < words.size(); ++at) {
    const Command* next = command->find(words[at]);
    if (next == nullptr) break;
    command = next;
  }
  if (asks_for_help) {
    Candidates candidates(word);
    add_commands(*command, candidates);
    return candidates.lines();
  }

  const auto options = options_of(*command);
  const OptionText* before = at < words.size() ? find(options, words.back()) : nullptr;
  if (before == nullptr && word.starts_with("--") && word.find('=') != word.npos) {
    before = find(options, word.substr(0, word.find('=')));
    word.erase(0, word.find('=') + 1);
  }
  Candidates candidates(word);
  if (before != nullptr && !before->value.empty()) {
    candidates.add_values(before->value);
  } else if (word.starts_with('-')) {
    for (const auto& option : options)
      for (const auto& name : option.names) candidates.add(name, option.description);
    candidates.add("--help", "prints its help");
  } else {
    if (at == words.size()) add_commands(*command, candidates);
    for (const auto& option : options)
      if (option.names.empty()) candidates.add_values(option.value);
  }
  return candidates.lines();
}

void add_completion(Command& app, int& exit_code) {
  Command& script = app.add(
      "completion",
      {.summary = "completion for bash, zsh or fish",
       .text =
           R"(Prints a script with which a shell completes commands, options, names of schemes and files. Packages install it.)",
       .synopsis = "bash|zsh|fish",
       .examples = "$ source <(sealmq completion bash)\n"});
  const auto shell = std::make_shared<std::string>();  // the callback owns it
  script.argument("bash|zsh|fish", *shell, "the shell");
  script.callback([shell, &exit_code] {
    const auto found = std::ranges::find(shells, *shell, &Shell::name);
    if (found == std::end(shells))
      exit_code = finish(fail_with_hint(Blame::caller_misused, "no completion for " + *shell, "bash, zsh or fish"));
    else
      std::cout << found->script;
  });
}

}  // namespace sealmq::cli
